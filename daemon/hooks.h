/* SPDX-License-Identifier: MIT
 *
 * The eBPF program of kernel mode (bpf/berth.bpf.c): from the object that this binary carries to hooks in the kernel.
 *
 * In this order: open, let maps be those of an earlier load (pins.h) if there are any, load, attach. Nothing here knows
 * which programs and maps the object has.
 */
#ifndef BERTH_DAEMON_HOOKS_H
#define BERTH_DAEMON_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/trouble.h"
#include "wire/kernel_mode.h"

struct bpf_link;
struct bpf_object;
struct bpf_program;
struct hooks;

/* Takes the object apart; nothing is in the kernel yet, and no privilege is needed. Returns the hooks, to be closed, or
 * NULL. */
struct hooks *hooks_open(struct trouble *ret_trouble);

/* For bpf_object__for_each_program() and bpf_object__for_each_map(). Belongs to the hooks. */
struct bpf_object *hooks_object(const struct hooks *hooks);

/* Makes the maps that were not replaced, and has the kernel's verifier read the programs. */
bool hooks_load(struct hooks *hooks, struct trouble *ret_trouble);

/* The same for another object of this binary's (trace.h): keeps libbpf from printing; says in words why the kernel did
 * not take a program, false; and finds a number of the kernel's that CO-RE cannot, as its enumeration has no name. */
void hooks_silence(void);
bool hooks_load_failure(int error, struct trouble *ret_trouble);
__u32 hooks_kernel_enumerator(const char *name, __u32 otherwise);

/* A capability that the kernel asks for, and the caller lacks: its name. NULL: it has all. */
const char *hooks_missing_capability(void);

/* Attaches one loaded program of theirs: one of the cgroup hooks to the cgroup, behind those of others that are there; one
 * that traces to the whole machine; an iterator, which runs when somebody reads it, to the map that it walks over. Returns
 * the link, whose end ends the hook; or NULL and errno. */
struct bpf_link *hooks_attach_program(const struct hooks *hooks, struct bpf_program *program, int cgroup_fd);

/* Attaches all that are to be (settings_choose()) until the hooks are closed, or their process ends in whatever way. */
bool hooks_attach(struct hooks *hooks, int cgroup_fd, struct trouble *ret_trouble);

/* Says in words why a program could not be attached. */
void hooks_attach_failure(const struct bpf_program *program, int error, struct trouble *ret_trouble);

/* Names the object that this binary carries: two builds that differ have different ones. */
const char *hooks_build(void);

/* How often each way was taken, in all programs. Only of loaded hooks. */
uint64_t hooks_way(const struct hooks *hooks, enum wire_way way);

/* The variables of the program are a map, which can be mapped into memory (mmap()): its name, how much there is of
 * it, a multiple of the page size, and where in it what is shared with user space lies. */
const char *hooks_variables_name(void);
size_t hooks_variables_size(void);
const __u64 (*hooks_ways(const void *variables))[WIRE_WAYS]; /* WIRE_HOOKS of them */
struct wire_settings *hooks_settings(void *variables);
__u64 *hooks_governed(void *variables); /* WIRE_GOVERNED of them */

/* How often each way was taken, in all programs. */
uint64_t ways_sum(const __u64 (*ways)[WIRE_WAYS], enum wire_way way);

/* The settings of loaded hooks. */
struct wire_settings *hooks_own_settings(struct hooks *hooks);

/* "connect4", ...; "fresh", "shared", ...; "entered", "ended-cap", ...; never NULL. */
const char *wire_hook_name(enum wire_hook hook);
const char *wire_way_name(enum wire_way way);
const char *wire_governed_name(enum wire_governed what);

/* NULL is allowed. What was pinned stays. */
void hooks_close(struct hooks *hooks);

#endif
