/* SPDX-License-Identifier: MIT
 *
 * What the fuzzers of config/ share. The input is the text, but that some bytes stand for a whole word of
 * the format: names and headers are not found by chance.
 */
#ifndef BERTH_TESTS_FUZZ_CONFIG_FUZZ_H
#define BERTH_TESTS_FUZZ_CONFIG_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static inline void require(bool condition)
{
	if (!condition)
		abort();
}

/* Spells the input out, to be freed: a byte 0x80 + i is words[i], wherever there is one. It ends with its
 * last byte, so that who reads on is seen. */
static inline char *spell_out(const uint8_t *data, size_t size, const char *const *words, size_t count,
			      size_t *ret_size)
{
	char *text = NULL, *exact;
	FILE *out = open_memstream(&text, ret_size);

	require(out != NULL);
	for (size_t i = 0; i < size; i++) {
		if (data[i] >= 0x80 && data[i] < 0x80 + count)
			fputs(words[data[i] - 0x80], out);
		else
			fputc(data[i], out);
	}
	fclose(out);
	exact = malloc(*ret_size > 0 ? *ret_size : 1);
	require(exact != NULL);
	memcpy(exact, text, *ret_size);
	free(text);
	return exact;
}

/* The berth.conf of config, to be freed. */
static inline char *written(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	require(out != NULL);
	config_write(config, out);
	fclose(out);
	return text;
}

/* Every setting is one that a file may have, and file, which was written of config, is read as the same. */
static inline void require_sound(const struct config *config, const char *file)
{
	struct config_fault fault;
	struct config again;
	char *text = written(config), *text_again;

	require(config->timed_wait_delay == 0 ||
		(config->timed_wait_delay >= 30 && config->timed_wait_delay <= 300));
	require(config->max_user_port == 0 ||
		(config->max_user_port >= 5000 && config->max_user_port <= 65534));
	require(config->listen.port != 0);
	require(config->exclude_cgroup_count <= CONFIG_CGROUPS);
	require(config->exclude_destination_count <= CONFIG_DESTINATIONS);
	require(config_read(file, strlen(file), &again, &fault));
	text_again = written(&again);
	require(strcmp(text, text_again) == 0);
	free(text);
	free(text_again);
}

static inline void require_fault(const struct config_fault *fault)
{
	require(fault->error == 0 && fault->text[0] != '\0');
	for (const char *c = fault->text; *c; c++)
		require(*c >= ' ' && *c <= '~');
}

#endif
