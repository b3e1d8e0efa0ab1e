/* SPDX-License-Identifier: MIT
 *
 * Has the kernel verify every program of an eBPF object, and says what came of it: one line of JSON, with the program's instructions
 * as they were compiled, the bytes of machine code, and how many instructions the verifier went through (of a million at most).
 *
 *   verify OBJECT
 *
 *   {"connect4": {"instructions": 4454, "bytes": 24843, "verified": 220436}, ...}
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

static void tell(const struct bpf_program *program, const char *before)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size);
	printf("%s\"%s\": {\"instructions\": %zu, \"bytes\": %u, \"verified\": %u}", before,
	       bpf_program__name(program), bpf_program__insn_cnt(program), info.jited_prog_len,
	       info.verified_insns);
}

int main(int argc, char **argv)
{
	const char *before = "{";
	struct bpf_program *program;
	struct bpf_object *object;

	if (argc != 2) {
		fputs("usage: verify OBJECT\n", stderr);
		return 2;
	}
	object = bpf_object__open(argv[1]);
	if (!object || bpf_object__load(object) < 0)
		return 1; /* libbpf has said why */
	bpf_object__for_each_program(program, object) {
		tell(program, before);
		before = ", ";
	}
	puts("}");
	bpf_object__close(object);
	return 0;
}
