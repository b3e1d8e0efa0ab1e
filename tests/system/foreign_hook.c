/* SPDX-License-Identifier: MIT
 *
 * Attaches a program of its own, "somebody", that allows everything, to a hook of a cgroup, says "attached", and keeps
 * it there until its standard input ends.
 *
 *   foreign_hook CGROUP connect4|connect6|bind4|bind6|sock_create [alone]
 *
 * sock_create: does to each socket what `ip vrf exec` does, binds it to a device; here it is lo.
 *
 * alone: in the older way, which allows no second program there.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum bpf_attach_type type;
} hooks[] = {
	{ "connect4", BPF_CGROUP_INET4_CONNECT },
	{ "connect6", BPF_CGROUP_INET6_CONNECT },
	{ "bind4", BPF_CGROUP_INET4_BIND },
	{ "bind6", BPF_CGROUP_INET6_BIND },
	{ "sock_create", BPF_CGROUP_INET_SOCK_CREATE },
};

#define HOOKS (sizeof(hooks) / sizeof(hooks[0]))

/* sk->bound_dev_if = 1; return 1 */
static int load_sock_create(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1 },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2,
		  .off = offsetof(struct bpf_sock, bound_dev_if) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_load_opts options = { .sz = sizeof(options),
					      .expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE };

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK, "somebody", "GPL", code,
			     sizeof(code) / sizeof(code[0]), &options);
}

/* return 1 */
static int load(enum bpf_attach_type type)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_load_opts options = { .sz = sizeof(options), .expected_attach_type = type };

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "somebody", "GPL", code,
			     sizeof(code) / sizeof(code[0]), &options);
}

static int attach(int program, int cgroup, enum bpf_attach_type type, bool alone)
{
	return alone ? bpf_prog_attach(program, cgroup, type, 0)
		     : bpf_link_create(program, cgroup, type, NULL);
}

int main(int argc, char **argv)
{
	bool alone = argc == 4 && strcmp(argv[3], "alone") == 0;
	size_t hook = 0;
	int cgroup, program;

	while ((argc == 3 || alone) && hook < HOOKS && strcmp(argv[2], hooks[hook].name) != 0)
		hook++;
	if ((argc != 3 && !alone) || hook == HOOKS) {
		fputs("usage: foreign_hook CGROUP connect4|connect6|bind4|bind6|sock_create [alone]\n",
		      stderr);
		return 2;
	}
	cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	program =
		hooks[hook].type == BPF_CGROUP_INET_SOCK_CREATE ? load_sock_create() : load(hooks[hook].type);
	if (cgroup < 0 || program < 0 || attach(program, cgroup, hooks[hook].type, alone) < 0) {
		fprintf(stderr, "foreign_hook: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	while (getchar() != EOF)
		;
	if (alone)
		bpf_prog_detach2(program, cgroup, hooks[hook].type); /* a link goes with us */
	return 0;
}
