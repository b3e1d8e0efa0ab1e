/* SPDX-License-Identifier: MIT */
#include "daemon/layout.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <string.h>

bool layout_map_lasts(const struct bpf_map *map)
{
	return (bpf_map__map_flags(map) & BPF_F_RDONLY_PROG) == 0;
}

/* Deeper than any structure of ours; what points to itself ends here. */
#define DEEPEST 16

struct digest {
	const struct btf *btf;
	uint64_t hash; /* FNV-1a: nobody but ourselves makes the input */
};

static void add(struct digest *digest, const void *data, size_t size)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < size; i++)
		digest->hash = (digest->hash ^ byte[i]) * 0x100000001b3ull;
}

static void add_number(struct digest *digest, uint64_t number)
{
	add(digest, &number, sizeof(number));
}

static void add_name(struct digest *digest, unsigned offset)
{
	const char *name = btf__name_by_offset(digest->btf, offset);

	add(digest, name ? name : "", name ? strlen(name) + 1 : 1);
}

/* NOLINTBEGIN(misc-no-recursion): no deeper than DEEPEST */
static void add_type(struct digest *digest, unsigned id, unsigned depth);

static void add_members(struct digest *digest, const struct btf_type *type, unsigned depth)
{
	const struct btf_member *member = btf_members(type);

	for (unsigned i = 0; i < btf_vlen(type); i++) {
		add_name(digest, member[i].name_off);
		add_number(digest, btf_member_bit_offset(type, i));
		add_number(digest, btf_member_bitfield_size(type, i));
		add_type(digest, member[i].type, depth);
	}
}

static void add_enumerators(struct digest *digest, const struct btf_type *type)
{
	const struct btf_enum *value = btf_enum(type);

	for (unsigned i = 0; i < btf_vlen(type); i++) {
		add_name(digest, value[i].name_off);
		add_number(digest, (uint64_t)value[i].val);
	}
}

/* The global variables of one section. */
static void add_variables(struct digest *digest, const struct btf_type *section, unsigned depth)
{
	const struct btf_var_secinfo *variable = btf_var_secinfos(section);

	for (unsigned i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *type = btf__type_by_id(digest->btf, variable[i].type);

		add_name(digest, type->name_off);
		add_number(digest, variable[i].offset);
		add_number(digest, variable[i].size);
		add_type(digest, type->type, depth);
	}
}

static void add_type(struct digest *digest, unsigned id, unsigned depth)
{
	const struct btf_type *type = btf__type_by_id(digest->btf, id);

	if (!type || depth == DEEPEST)
		return;
	add_number(digest, btf_kind(type));
	if (btf_is_mod(type) || btf_is_typedef(type)) {
		add_type(digest, type->type, depth + 1);
	} else if (btf_is_array(type)) {
		add_number(digest, btf_array(type)->nelems);
		add_type(digest, btf_array(type)->type, depth + 1);
	} else if (!btf_is_ptr(type)) {
		add_number(digest, type->size);
		if (btf_is_composite(type))
			add_members(digest, type, depth + 1);
		else if (btf_is_datasec(type))
			add_variables(digest, type, depth + 1);
	}
}

/* NOLINTEND(misc-no-recursion) */
static void add_map(struct digest *digest, const struct bpf_map *map)
{
	const char *section = strchr(bpf_map__name(map), '.');

	add(digest, bpf_map__name(map), strlen(bpf_map__name(map)) + 1);
	add_number(digest, bpf_map__type(map));
	add_number(digest, bpf_map__key_size(map));
	add_number(digest, bpf_map__value_size(map));
	add_number(digest, bpf_map__max_entries(map));
	add_number(digest, bpf_map__map_flags(map));
	add_type(digest, bpf_map__btf_key_type_id(map), 0);
	/* Which type the map of a section's variables has is settled by the load only. */
	if (bpf_map__is_internal(map) && section)
		add_type(digest, (unsigned)btf__find_by_name_kind(digest->btf, section, BTF_KIND_DATASEC), 0);
	else
		add_type(digest, bpf_map__btf_value_type_id(map), 0);
}

uint64_t layout_of(const struct bpf_object *object)
{
	struct digest digest = { .btf = bpf_object__btf(object), .hash = 0xcbf29ce484222325ull };
	const struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		if (layout_map_lasts(map))
			add_map(&digest, map);
	}
	for (unsigned id = 1; id < btf__type_cnt(digest.btf); id++) {
		const struct btf_type *type = btf__type_by_id(digest.btf, id);

		if (btf_is_enum(type) &&
		    strncmp(btf__name_by_offset(digest.btf, type->name_off), "wire_", 5) == 0)
			add_enumerators(&digest, type);
	}
	return digest.hash ? digest.hash : 1;
}
