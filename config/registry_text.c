/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * The file is decoded as a whole, so that all that follows sees one string of 8-bit characters. Only ASCII
 * has a meaning in it: every other character becomes '?', and with it whatever could be wrong with
 * surrogates or code pages is no matter. A NUL, which no text has, refuses the file.
 *
 * Then item by item. The only thing that goes on over several lines is a list of bytes, at a '\' that ends
 * a line. A line that cannot be read is an item too: what Windows would skip, the administrator hears of.
 */
#include "config/registry_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char header5[] = "Windows Registry Editor Version 5.00";
static const char header4[] = "REGEDIT4";

/* -------------------------------------------------------------------------------------------------
 * Characters and lines
 */

static char ascii(unsigned character)
{
	return (char)(character < 0x80 ? character : '?');
}

/* The decoded text behind a byte order mark of so many bytes, with character_size bytes each. */
static void decode(const uint8_t *bytes, size_t size, unsigned character_size, char *text)
{
	for (size_t i = 0; i + character_size <= size; i += character_size) {
		unsigned high = character_size == 2 ? bytes[i + 1] : 0;

		*text++ = ascii(high << 8 | bytes[i]);
	}
	*text = '\0';
}

static unsigned lines_before(const char *text, const char *where)
{
	unsigned lines = 1;

	for (; text < where; text++)
		lines += *text == '\n';
	return lines;
}

/* The size of the byte order mark. *ret_character_size is 0 for an encoding that is none of a .reg file's. */
static size_t read_mark(const char *bytes, size_t size, unsigned *ret_character_size)
{
	*ret_character_size = 1;
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return 3;
	if (size < 2 || (memcmp(bytes, "\xff\xfe", 2) != 0 && memcmp(bytes, "\xfe\xff", 2) != 0))
		return 0;
	*ret_character_size = memcmp(bytes, "\xff\xfe", 2) == 0 ? 2 : 0;
	return 2;
}

/* Cuts the next line off: without its end, and blanks before and behind it. NULL at the end of the file. */
static char *next_line(struct registry_text *text)
{
	char *line = text->next, *end;

	if (!*line)
		return NULL;
	end = strchr(line, '\n');
	text->next = end ? end + 1 : line + strlen(line);
	text->next_line++;
	end = end ? end : line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return line + strspn(line, " \t");
}

static bool read_header(struct registry_text *text, unsigned character_size, struct config_fault *fault)
{
	const char *line = next_line(text);

	text->version5 = line && strcmp(line, header5) == 0;
	if (text->version5 || (line && strcmp(line, header4) == 0 && character_size == 1))
		return true;
	return config_refuse(fault, 1,
			     "is no registry file: its first line is \"%s\", or, in 8-bit text, \"%s\"",
			     header5, header4);
}

bool registry_text_open(struct registry_text *text, const char *bytes, size_t size,
			struct config_fault *ret_fault)
{
	unsigned character_size;
	size_t mark = read_mark(bytes, size, &character_size), characters;

	if (character_size == 0)
		return config_refuse(ret_fault, 0, "is big-endian UTF-16, which Windows does not write");
	if ((size - mark) % character_size != 0)
		return config_refuse(ret_fault, 0, "ends in the middle of a UTF-16 character");
	characters = (size - mark) / character_size;
	text->text = malloc(characters + 1);
	if (!text->text)
		return config_refuse(ret_fault, 0, "cannot be read: no memory");
	decode((const uint8_t *)bytes + mark, size - mark, character_size, text->text);
	text->next = text->text;
	text->next_line = 1;
	if (strlen(text->text) < characters)
		config_refuse(ret_fault, lines_before(text->text, strchr(text->text, '\0')),
			      "has a NUL character (UTF-16 needs its byte order mark)");
	else if (read_header(text, character_size, ret_fault))
		return true;
	free(text->text);
	return false;
}

void registry_text_close(struct registry_text *text)
{
	free(text->text);
}

/* -------------------------------------------------------------------------------------------------
 * Data
 */

static bool ends_here(const char *rest)
{
	rest += strspn(rest, " \t");
	return *rest == '\0' || *rest == ';';
}

static void malformed(struct registry_text *text, const char *why)
{
	text->form = REGISTRY_MALFORMED;
	text->why = why;
}

/* Hexadecimal digits, at most most of them, in *text, which is moved behind them. How many there were. */
static unsigned read_hex(const char **text, unsigned most, uint32_t *ret_number)
{
	unsigned digits = 0;

	for (*ret_number = 0; digits < most && isxdigit((unsigned char)**text); ++*text, digits++) {
		char digit[] = { **text, '\0' };

		*ret_number = *ret_number << 4 | (uint32_t)strtoul(digit, NULL, 16);
	}
	return digits;
}

static void read_dword(struct registry_text *text, const char *digits)
{
	uint32_t number;

	if (read_hex(&digits, 8, &number) == 0 || !ends_here(digits)) {
		malformed(text, "a dword is one to eight hexadecimal digits");
		return;
	}
	text->form = REGISTRY_BYTES;
	text->type = REGISTRY_DWORD;
	text->size = 4;
	for (unsigned i = 0; i < 4; i++)
		text->data[i] = (uint8_t)(number >> 8 * i);
}

/* Where the list goes on after a '\'; NULL where it does not. A line that is none of it is not touched: it
 * may be the next key, and the values behind it are not this one's. */
static const char *continue_list(struct registry_text *text, const char *backslash)
{
	const char *next = text->next + strspn(text->next, " \t");

	return ends_here(backslash + 1) && isxdigit((unsigned char)*next) ? next_line(text) : NULL;
}

/* "31,00,34,\", and so on. The whole list is read, also if it is too long. */
static void read_list(struct registry_text *text, const char *list)
{
	uint32_t byte;

	text->form = REGISTRY_BYTES;
	text->size = 0;
	if (ends_here(list))
		return;
	for (;;) {
		list += strspn(list, " \t");
		if (*list == '\\') {
			list = continue_list(text, list);
			if (!list)
				break;
			continue;
		}
		if (read_hex(&list, 2, &byte) == 0)
			break;
		if (text->size == sizeof(text->data))
			malformed(text, "has more than 32768 bytes");
		else
			text->data[text->size++] = (uint8_t)byte;
		list += strspn(list, " \t");
		if (ends_here(list))
			return;
		if (*list++ != ',')
			break;
	}
	malformed(text, "is no list of bytes, or breaks off");
}

/* Type and list: ":00,01" or "(7):00,01". */
static void read_hex_data(struct registry_text *text, const char *data)
{
	static const unsigned binary = 3;
	uint32_t type = binary;

	if (*data == '(') {
		data++;
		if (read_hex(&data, 8, &type) == 0 || *data++ != ')') {
			malformed(text, "has no type that can be read");
			return;
		}
	}
	text->type = type;
	if (*data == ':')
		read_list(text, data + 1);
	else
		malformed(text, "is of no known form");
}

static void read_data(struct registry_text *text, const char *data)
{
	if (*data == '"')
		text->form = REGISTRY_STRING;
	else if (*data == '-' && ends_here(data + 1))
		text->form = REGISTRY_DELETE;
	else if (strncmp(data, "dword:", 6) == 0)
		read_dword(text, data + 6 + strspn(data + 6, " \t"));
	else if (strncmp(data, "hex", 3) == 0)
		read_hex_data(text, data + 3);
	else
		malformed(text, "is of no known form");
}

/* -------------------------------------------------------------------------------------------------
 * Items
 */

static enum registry_item stray(struct registry_text *text, const char *line)
{
	config_printable(line, text->name, sizeof(text->name));
	return REGISTRY_STRAY;
}

static enum registry_item read_key(struct registry_text *text, char *line)
{
	char *end = strrchr(line, ']');
	bool deletes = line[1] == '-';

	if (!end)
		return stray(text, line);
	*end = '\0';
	config_printable(line + 1 + deletes, text->name, sizeof(text->name));
	return deletes ? REGISTRY_DELETE_KEY : REGISTRY_KEY;
}

/* The name in quotes, with \\ and \" in it, into text->name. What follows, NULL if it has no end. */
static const char *read_name(struct registry_text *text, const char *line)
{
	size_t length = 0;

	if (*line == '@') {
		strcpy(text->name, "@");
		return line + 1;
	}
	for (line++; *line && *line != '"'; line++) {
		if (*line == '\\' && line[1])
			line++;
		if (length < sizeof(text->name) - 1)
			text->name[length++] = *line;
	}
	text->name[length] = '\0';
	return *line ? line + 1 : NULL;
}

static enum registry_item read_value(struct registry_text *text, const char *line)
{
	const char *rest = read_name(text, line);

	rest = rest ? rest + strspn(rest, " \t") : "";
	if (*rest != '=')
		return stray(text, line);
	rest++;
	read_data(text, rest + strspn(rest, " \t"));
	return REGISTRY_VALUE;
}

enum registry_item registry_text_next(struct registry_text *text)
{
	char *line;

	do {
		text->line = text->next_line;
		line = next_line(text);
		if (!line)
			return REGISTRY_END;
	} while (*line == '\0' || *line == ';');
	if (*line == '[')
		return read_key(text, line);
	if (*line == '"' || *line == '@')
		return read_value(text, line);
	return stray(text, line);
}
