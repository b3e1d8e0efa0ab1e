/* SPDX-License-Identifier: MIT
 *
 * What the maps of an eBPF object look like, as a number: builds with the same one can use each other's pinned maps.
 */
#ifndef BERTH_DAEMON_LAYOUT_H
#define BERTH_DAEMON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_map;
struct bpf_object;

/* Is the map one to pin and to use again? The constants are not: they belong to the programs loaded with them. */
bool layout_map_lasts(const struct bpf_map *map);

/* Covers, from the object's own type information (BTF), each lasting map's kind and sizes, the names, places and
 * types of all that lies in it, and the enumerations of wire/, which give numbers their meaning. Never 0. The
 * object need not be loaded. */
uint64_t layout_of(const struct bpf_object *object);

#endif
