/* SPDX-License-Identifier: MIT
 *
 * What the readers and the writer of config/ share: single values, and what to say of a bad one. For them
 * alone; everybody else includes config.h.
 */
#ifndef BERTH_CONFIG_VALUES_H
#define BERTH_CONFIG_VALUES_H

#include "config/config.h"
#include "core/settings.h"

/* The numbers of [Parameters]. */
#define CONFIG_NUMBERS 3u
struct config_number {
	const char *name;    /* known to berth_setting_find() */
	size_t offset;	     /* of its uint32_t in struct config */
	const char *allowed; /* for a message */
};
extern const struct config_number config_numbers[CONFIG_NUMBERS];

static inline uint32_t config_number_get(const struct config *config, const struct config_number *number)
{
	return *(const uint32_t *)((const char *)config + number->offset);
}

static inline void config_number_set(struct config *config, const struct config_number *number,
				     uint32_t value)
{
	*(uint32_t *)((char *)config + number->offset) = value;
}

/* Upper and lower case of ASCII are alike, whatever the locale. */
bool config_same_name(const char *left, const char *right);

/* Text as printable ASCII in a buffer of that size, '?' for the rest, "..." at the end of what is too long. */
void config_printable(const char *text, char *ret_text, size_t size);

/* Fills in a fault. False, so that a caller can say `return config_refuse(...)`. */
bool config_refuse(struct config_fault *fault, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads the whole text; false, and nothing written, if it is not of that form. */
bool config_parse_destination(const char *text, struct config_destination *ret_destination);

/* 127.0.0.0/8 and ::1. */
bool config_is_loopback(const struct berth_address *address);

#endif
