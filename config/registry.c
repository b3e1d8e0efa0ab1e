/* SPDX-License-Identifier: MIT
 *
 * What the values of a .reg file mean here: four are taken over, for every other one there is a note.
 */
#include "config/registry.h"

#include <stdarg.h>
#include <string.h>

#include "config/registry_text.h"

#define SERVICES "\\Services\\Tcpip\\Parameters"

static const char *const read_keys[] = {
	"HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" SERVICES,
	"HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001" SERVICES,
};

/* The values that are taken over: config_numbers[], and this one. */
#define RESERVED_PORTS CONFIG_NUMBERS
#define TAKEN	       (CONFIG_NUMBERS + 1)

/* Where the others are set on Linux. */
static const struct {
	const char *name, *reason;
} elsewhere[] = {
	{ "DefaultTTL", "is net.ipv4.ip_default_ttl" },
	{ "EnablePMTUDiscovery", "is net.ipv4.ip_no_pmtu_disc, the other way round" },
	{ "KeepAliveInterval", "is net.ipv4.tcp_keepalive_intvl, in seconds" },
	{ "KeepAliveTime", "is net.ipv4.tcp_keepalive_time, in seconds" },
	{ "MaxFreeTcbs", "has no counterpart: Linux allocates connections as they come" },
	{ "MaxHashTableSize", "is thash_entries= on the kernel's command line; the default fits the memory" },
	{ "NumTcbTablePartitions", "has no counterpart: Linux locks each bucket of its table by itself" },
	{ "SackOpts", "is net.ipv4.tcp_sack" },
	{ "StrictTimeWaitSeqCheck", "is what Linux always does" },
	{ "SynAttackProtect", "is net.ipv4.tcp_syncookies" },
	{ "Tcp1323Opts", "is net.ipv4.tcp_timestamps and net.ipv4.tcp_window_scaling" },
	{ "TcpFinWait2Delay", "is net.ipv4.tcp_fin_timeout" },
	{ "TcpMaxConnectRetransmissions", "is net.ipv4.tcp_syn_retries" },
	{ "TcpMaxDataRetransmissions", "is net.ipv4.tcp_retries2" },
	{ "TcpNumConnections", "has no counterpart: Linux has no such limit" },
	{ "TcpWindowSize", "is net.ipv4.tcp_rmem" },
};

struct importing {
	struct registry_import *import;
	struct registry_text text;
	bool in_key;		     /* in one of read_keys[] */
	bool in_any_key;	     /* in a key at all */
	unsigned set_in_line[TAKEN]; /* 0: not set */
	bool too_many;
};

static void note(struct importing *importing, unsigned line, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void note(struct importing *importing, unsigned line, const char *name, const char *format, ...)
{
	struct registry_import *import = importing->import;
	char reason[2 * sizeof(import->note[0].reason)];
	struct registry_note *next;
	va_list arguments;

	if (import->note_count == REGISTRY_NOTES) {
		importing->too_many = true;
		return;
	}
	next = &import->note[import->note_count++];
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	next->line = line;
	config_printable(name, next->name, sizeof(next->name));
	config_printable(reason, next->reason, sizeof(next->reason));
}

static const char *name_of(unsigned value)
{
	return value == RESERVED_PORTS ? "ReservedPorts" : config_numbers[value].name;
}

/* Undoes what a value was set to before; by says what has undone it, for the note. */
static void forget(struct importing *importing, unsigned value, const char *by)
{
	struct config *config = &importing->import->config;

	if (importing->set_in_line[value] != 0)
		note(importing, importing->set_in_line[value], name_of(value), "is %s in line %u", by,
		     importing->text.line);
	importing->set_in_line[value] = 0;
	if (value == RESERVED_PORTS)
		config->reserved_ports = (struct berth_port_set){ 0 };
	else
		config_number_set(config, &config_numbers[value], 0);
}

static const char *form_name(const struct registry_text *text)
{
	if (text->form == REGISTRY_STRING)
		return "a string (REG_SZ)";
	return text->type == REGISTRY_DWORD ? "a dword" : "data of another type";
}

static bool take_number(struct importing *importing, unsigned value)
{
	const struct registry_text *text = &importing->text;
	const struct config_number *number = &config_numbers[value];
	const struct berth_setting *setting = berth_setting_find(number->name);
	uint32_t read = 0;

	if (text->form != REGISTRY_BYTES || text->type != REGISTRY_DWORD || text->size != 4) {
		note(importing, text->line, number->name, "is %s, where Windows wants a dword",
		     text->size != 4 && text->type == REGISTRY_DWORD ? "of the wrong size" : form_name(text));
		return false;
	}
	for (unsigned i = 0; i < 4; i++)
		read |= (uint32_t)text->data[i] << 8 * i;
	if (!berth_setting_allows(setting, read)) {
		note(importing, text->line, number->name,
		     "is %u, outside of what Windows takes: %s, %u to %u", read, setting->unit, setting->min,
		     setting->max);
		return false;
	}
	config_number_set(&importing->import->config, number, read);
	return true;
}

static bool take_ports(struct importing *importing, const char *ports)
{
	static const char *const wrong[] = {
		[BERTH_RESERVED_MALFORMED] = "is not of the form 1433-1434",
		[BERTH_RESERVED_REVERSED] = "has the first port above the last",
		[BERTH_RESERVED_OUT_OF_RANGE] = "is outside of 1025 to 65534",
	};
	unsigned first, last;
	char shown[32];
	enum berth_reserved_verdict verdict = berth_reserved_ports_read(ports, &first, &last);

	if (verdict == BERTH_RESERVED_OK) {
		berth_port_set_add_range(&importing->import->config.reserved_ports, first, last);
		return true;
	}
	config_printable(ports, shown, sizeof(shown));
	note(importing, importing->text.line, "ReservedPorts", "\"%s\" %s", shown, wrong[verdict]);
	return false;
}

/* Makes UTF-16LE in data to 8-bit characters, '?' for all that are not ASCII. */
static void narrow(struct registry_text *text)
{
	for (size_t i = 0; i < text->size / 2; i++) {
		unsigned unit = text->data[2 * i] | (unsigned)text->data[2 * i + 1] << 8;

		text->data[i] = (uint8_t)(unit < 0x80 ? unit : '?');
	}
	text->size /= 2;
}

/* What is wrong with data as strings that a NUL ends, and one that is empty behind the last; NULL: nothing. */
static const char *multi_sz_fault(const struct registry_text *text)
{
	const char *strings = (const char *)text->data;

	for (size_t i = 0; i < text->size; i += strlen(strings + i) + 1) {
		if (strings[i] == '\0')
			return i + 1 < text->size ? "goes on behind the empty string that ends it" : NULL;
		if (!memchr(strings + i, '\0', text->size - i))
			break;
	}
	return text->size == 0 ? NULL : "has no empty string to end it";
}

static bool take_reserved_ports(struct importing *importing)
{
	struct registry_text *text = &importing->text;
	const char *fault = NULL;
	bool taken = false;

	if (text->form != REGISTRY_BYTES || text->type != REGISTRY_MULTI_SZ) {
		note(importing, text->line, "ReservedPorts", "is %s, where Windows wants strings: hex(7)",
		     form_name(text));
		return false;
	}
	if (text->version5 && text->size % 2 != 0)
		fault = "has half a UTF-16 character";
	else if (text->version5)
		narrow(text);
	fault = fault ? fault : multi_sz_fault(text);
	if (fault) {
		note(importing, text->line, "ReservedPorts", "%s", fault);
		return false;
	}
	for (const char *ports = (const char *)text->data; text->size > 0 && *ports;
	     ports += strlen(ports) + 1)
		taken |= take_ports(importing, ports);
	return taken;
}

/* A value in the key that is read, which is one of those taken over. */
static void take_value(struct importing *importing, unsigned value)
{
	struct registry_text *text = &importing->text;
	bool taken;

	if (text->form == REGISTRY_MALFORMED) {
		note(importing, text->line, name_of(value), "%s", text->why);
		return;
	}
	forget(importing, value, text->form == REGISTRY_DELETE ? "deleted" : "set again");
	if (text->form == REGISTRY_DELETE)
		return;
	taken = value == RESERVED_PORTS ? take_reserved_ports(importing) : take_number(importing, value);
	importing->set_in_line[value] = taken ? text->line : 0;
}

static const char *reason_for(const char *name)
{
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (config_same_name(elsewhere[i].name, name))
			return elsewhere[i].reason;
	return "is nothing that Berth has";
}

static void see_value(struct importing *importing)
{
	struct registry_text *text = &importing->text;
	unsigned value = 0;

	if (!importing->in_key) {
		if (text->form != REGISTRY_DELETE)
			note(importing, text->line, text->name,
			     importing->in_any_key ? "is in another key than CurrentControlSet" SERVICES
						   : "is in no key");
		return;
	}
	while (value < TAKEN && !config_same_name(text->name, name_of(value)))
		value++;
	if (value < TAKEN)
		take_value(importing, value);
	else if (text->form != REGISTRY_DELETE)
		note(importing, text->line, text->name, "%s", reason_for(text->name));
}

/* Whether key is path, or one that path is below. */
static bool holds(const char *key, const char *path)
{
	char part[REGISTRY_NAME_MAX];
	size_t length = strlen(key);

	if (length > strlen(path) || (path[length] != '\0' && path[length] != '\\'))
		return false;
	memcpy(part, path, length);
	part[length] = '\0';
	return config_same_name(key, part);
}

static void see_key(struct importing *importing, bool deleted)
{
	const char *key = importing->text.name;

	importing->in_any_key = !deleted;
	importing->in_key = false;
	for (unsigned i = 0; i < sizeof(read_keys) / sizeof(read_keys[0]); i++) {
		if (!deleted && config_same_name(key, read_keys[i]))
			importing->in_key = true;
		for (unsigned value = 0; deleted && holds(key, read_keys[i]) && value < TAKEN; value++)
			forget(importing, value, "deleted");
	}
}

static void import_items(struct importing *importing)
{
	for (;;) {
		switch (registry_text_next(&importing->text)) {
		case REGISTRY_KEY:
			see_key(importing, false);
			break;
		case REGISTRY_DELETE_KEY:
			see_key(importing, true);
			break;
		case REGISTRY_VALUE:
			see_value(importing);
			break;
		case REGISTRY_STRAY:
			if (*importing->text.name == '[') /* some key is meant, and what follows is in it */
				importing->in_any_key = importing->in_key = false;
			note(importing, importing->text.line, importing->text.name,
			     "is neither a key nor a value");
			break;
		case REGISTRY_END:
			return;
		}
	}
}

bool registry_read(const char *bytes, size_t size, struct registry_import *import,
		   struct config_fault *ret_fault)
{
	struct importing importing;

	importing.import = import;
	importing.in_key = importing.in_any_key = importing.too_many = false;
	memset(importing.set_in_line, 0, sizeof(importing.set_in_line));
	if (!registry_text_open(&importing.text, bytes, size, ret_fault))
		return false;
	config_set_defaults(&import->config);
	import->note_count = 0;
	import_items(&importing);
	registry_text_close(&importing.text);
	return !importing.too_many ||
	       config_refuse(ret_fault, 0,
			     "has more than %u values that Berth has no use for: export the key %s alone",
			     REGISTRY_NOTES, "Tcpip\\Parameters");
}
