/* SPDX-License-Identifier: MIT
 *
 * What the tests of config/ share.
 */
#ifndef BERTH_TESTS_CONFIG_CONFIG_TEST_H
#define BERTH_TESTS_CONFIG_CONFIG_TEST_H

#include "config/config.h"
#include "tests/core/test.h"

/* The berth.conf of config, to be freed. */
static inline char *written(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	config_write(config, out);
	fclose(out);
	return text;
}

static inline void assert_written(const struct config *config, const char *expected)
{
	char *text = written(config);

	assert_string_equal(text, expected);
	free(text);
}

/* A copy that ends with the last byte, so that the sanitizer sees who reads on. To be freed. */
static inline char *exact_copy(const char *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return copy;
}

#endif
