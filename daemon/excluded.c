/* SPDX-License-Identifier: MIT */
#include "daemon/excluded.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include "daemon/pins.h"
#include "daemon/say.h"
#include "host/cgroup.h"

/* ---- which cgroups there are ---- */

void excluded_find(const struct config *config, struct excluded_cgroups *ret_cgroups)
{
	memset(ret_cgroups, 0, sizeof(*ret_cgroups));
	for (unsigned i = 0; i < config->exclude_cgroup_count; i++) {
		int fd = cgroup_open(config->exclude_cgroup[i], &ret_cgroups->id[i]);

		ret_cgroups->error[i] = fd < 0 ? fd : 0;
		if (fd >= 0)
			close(fd);
	}
}

void excluded_say(const struct config *config, const struct excluded_cgroups *before,
		  const struct excluded_cgroups *now)
{
	for (unsigned i = 0; i < config->exclude_cgroup_count; i++) {
		const char *path = config->exclude_cgroup[i];

		if (now->error[i] && !before->error[i])
			say("exclude-cgroup = %s: %s: excludes nobody until it is there", path,
			    now->error[i] == -EMEDIUMTYPE ? "not a cgroup of version 2"
							  : strerror(-now->error[i]));
		else if (!now->error[i] && before->error[i])
			say("exclude-cgroup = %s: is there now", path);
	}
}

/* ---- maps ---- */

/* Keys that a map is to have, one after the other. */
struct keys {
	const void *keys;
	size_t size; /* of one */
	unsigned count;
};

static bool is_wanted(const struct keys *wanted, const void *key)
{
	for (unsigned i = 0; i < wanted->count; i++)
		if (memcmp((const char *)wanted->keys + i * wanted->size, key, wanted->size) == 0)
			return true;
	return false;
}

#define KEY_MAX sizeof(struct wire_excluded)

/* The walk begins anew after each that leaves, as its place is lost. */
static void remove_others(int map, const struct keys *wanted)
{
	char key[KEY_MAX], *before = NULL, last[KEY_MAX];

	while (bpf_map_get_next_key(map, before, key) == 0) {
		if (!is_wanted(wanted, key) && bpf_map_delete_elem(map, key) == 0) {
			before = NULL;
			continue;
		}
		memcpy(last, key, sizeof(last));
		before = last;
	}
}

static bool put_in(int map, const struct keys *wanted, struct trouble *trouble)
{
	const __u8 present = 1;

	for (unsigned i = 0; i < wanted->count; i++)
		if (bpf_map_update_elem(map, (const char *)wanted->keys + i * wanted->size, &present,
					BPF_ANY) < 0)
			return trouble_say(trouble, "what is to be left alone cannot be written: %s",
					   strerror(errno));
	return true;
}

/* ---- the settings as keys: what is new goes in before anything leaves ---- */

static void name_prefix(const struct config_destination *excluded, struct wire_excluded *ret_key)
{
	*ret_key = (struct wire_excluded){ .prefix = WIRE_EXCLUDED_BITS - 128 + excluded->prefix,
					   .port_be = htons(excluded->port),
					   .ipv4 = berth_address_is_v4(&excluded->address) };
	memcpy(ret_key->address_be, excluded->address.bytes, sizeof(ret_key->address_be));
}

static bool write_destinations(const struct config *config, int map, struct wire_settings *settings,
			       struct trouble *trouble)
{
	struct wire_excluded key[CONFIG_DESTINATIONS];
	struct keys wanted = { key, sizeof(key[0]), 0 };

	for (unsigned i = 0; i < config->exclude_destination_count; i++) {
		name_prefix(&config->exclude_destination[i], &key[wanted.count]);
		wanted.count += !is_wanted(&wanted, &key[wanted.count]);
	}
	if (!put_in(map, &wanted, trouble))
		return false;
	__atomic_store_n(&settings->excluded_destinations, wanted.count, __ATOMIC_RELEASE);
	remove_others(map, &wanted);
	return true;
}

static bool write_cgroups(const struct config *config, const struct excluded_cgroups *cgroups, int map,
			  struct wire_settings *settings, struct trouble *trouble)
{
	__u64 id[CONFIG_CGROUPS];
	struct keys wanted = { id, sizeof(id[0]), 0 };

	for (unsigned i = 0; i < config->exclude_cgroup_count; i++) {
		id[wanted.count] = cgroups->id[i];
		wanted.count += cgroups->id[i] != 0 && !is_wanted(&wanted, &id[wanted.count]);
	}
	if (!put_in(map, &wanted, trouble))
		return false;
	__atomic_store_n(&settings->excluded_cgroups, wanted.count, __ATOMIC_RELEASE);
	remove_others(map, &wanted);
	return true;
}

/* ---- what others call ---- */

#define CGROUPS_MAP	 "excluded_cgroups"
#define DESTINATIONS_MAP "excluded_destinations"

static bool write_all(const struct config *config, const struct excluded_cgroups *cgroups, int cgroups_map,
		      int destinations_map, struct wire_settings *settings, struct trouble *trouble)
{
	return write_cgroups(config, cgroups, cgroups_map, settings, trouble) &&
	       write_destinations(config, destinations_map, settings, trouble);
}

static int open_map(const char *dir, const char *name)
{
	char path[PATH_MAX];

	pins_map_path(dir, name, path);
	return bpf_obj_get(path);
}

bool excluded_write_pinned(const struct config *config, const struct excluded_cgroups *cgroups,
			   const char *dir, void *variables, struct trouble *ret_trouble)
{
	int cgroups_map = open_map(dir, CGROUPS_MAP), destinations_map = open_map(dir, DESTINATIONS_MAP);
	bool done;

	if (cgroups_map < 0 || destinations_map < 0)
		done = trouble_say(ret_trouble, "%.300s: what is to be left alone cannot be written: %s", dir,
				   strerror(errno));
	else
		done = write_all(config, cgroups, cgroups_map, destinations_map, hooks_settings(variables),
				 ret_trouble);
	if (cgroups_map >= 0)
		close(cgroups_map);
	if (destinations_map >= 0)
		close(destinations_map);
	return done;
}

bool excluded_write_own(const struct config *config, const struct excluded_cgroups *cgroups,
			struct hooks *hooks, struct trouble *ret_trouble)
{
	const struct bpf_object *object = hooks_object(hooks);

	return write_all(config, cgroups, bpf_object__find_map_fd_by_name(object, CGROUPS_MAP),
			 bpf_object__find_map_fd_by_name(object, DESTINATIONS_MAP), hooks_own_settings(hooks),
			 ret_trouble);
}
