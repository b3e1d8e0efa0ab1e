/* SPDX-License-Identifier: MIT
 *
 * The text format of a .reg file, without knowing what any value means: registry.c does.
 */
#ifndef BERTH_CONFIG_REGISTRY_TEXT_H
#define BERTH_CONFIG_REGISTRY_TEXT_H

#include "config/values.h"

/* A list of bytes may be so long. ReservedPorts of 1,000 ranges are shorter; more make the value malformed. */
#define REGISTRY_DATA_MAX 32768u
#define REGISTRY_NAME_MAX \
	512u /* bytes of a key or a value name, the closing NUL included; Windows' limit is 255 */

enum registry_item {
	REGISTRY_KEY,	     /* [name] */
	REGISTRY_DELETE_KEY, /* [-name] */
	REGISTRY_VALUE,	     /* "name"=data */
	REGISTRY_STRAY,	     /* none of these: name is the line */
	REGISTRY_END,
};

enum registry_form {
	REGISTRY_DELETE,    /* "name"=- */
	REGISTRY_STRING,    /* "text", REG_SZ; what it says is not read */
	REGISTRY_BYTES,	    /* hex: and dword:, the bytes as Windows stores them */
	REGISTRY_MALFORMED, /* why says what is wrong */
};

/* Windows' numbers for types (winnt.h) that have a meaning here. */
enum {
	REGISTRY_DWORD = 4,
	REGISTRY_MULTI_SZ = 7
};

struct registry_text {
	char *text; /* 8 bits a character, '?' for what is not ASCII; a NUL ends it */
	char *next; /* the line to be read next */
	unsigned next_line;
	bool version5; /* "Version 5.00": strings in lists of bytes are UTF-16LE, else 8-bit */

	/* The item that was read last. */
	unsigned line; /* where it begins */
	char name[REGISTRY_NAME_MAX];
	enum registry_form form;
	const char *why;
	unsigned type;
	size_t size;
	uint8_t data[REGISTRY_DATA_MAX];
};

/* Decodes the file and reads its first line. True: to be closed with registry_text_close(). */
bool registry_text_open(struct registry_text *text, const char *bytes, size_t size,
			struct config_fault *ret_fault);
void registry_text_close(struct registry_text *text);

/* Reads the next item that is neither blank nor a comment. */
enum registry_item registry_text_next(struct registry_text *text);

#endif
