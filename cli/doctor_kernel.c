/* SPDX-License-Identifier: MIT
 *
 * What kernel mode needs, each tried as it will be used, up to the moment of attaching.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/doctor_report.h"
#include "daemon/foreign.h"
#include "daemon/hooks.h"
#include "daemon/pinned.h"
#include "daemon/pins.h"
#include "host/bpf_fs.h"
#include "host/capability.h"
#include "host/cgroup.h"
#include "host/steered.h"

#define GROUP DOCTOR_KERNEL

static void look_at_capabilities(struct doctor_report *report)
{
	static const struct {
		unsigned number;
		const char *name, *what;
	} needed[] = {
		{ CAP_BPF, "CAP_BPF", "load eBPF programs" },
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "load those that steer sockets, and attach them" },
		{ CAP_PERFMON, "CAP_PERFMON", "load those that read the kernel's structures" },
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (capability_held(needed[i].number) || capability_held(CAP_SYS_ADMIN))
			doctor_add(report, GROUP, needed[i].name, DOCTOR_YES, "may %s", needed[i].what);
		else
			doctor_add(report, GROUP, needed[i].name, DOCTOR_NO, "may not %s: be root",
				   needed[i].what);
}

static void look_at_filesystems(struct doctor_report *report)
{
	char path[PATH_MAX];

	doctor_add_feature(report, GROUP, "BTF", access("/sys/kernel/btf/vmlinux", R_OK) == 0, DOCTOR_NO,
			   "the kernel says where its structures have what",
			   "/sys/kernel/btf/vmlinux is missing (CONFIG_DEBUG_INFO_BTF)");
	if (cgroup_root(path) == 0)
		doctor_add(report, GROUP, "cgroup v2", DOCTOR_YES, "mounted at %.200s", path);
	else
		doctor_add(report, GROUP, "cgroup v2", DOCTOR_NO,
			   "not mounted: there is nothing to attach to");
	doctor_add_feature(report, GROUP, "bpf filesystem", bpf_fs_is(BPF_FS), DOCTOR_LESS,
			   "mounted at " BPF_FS ": what a daemon attaches can outlive it",
			   "not mounted at " BPF_FS ", or not to be seen: berth daemon mounts it");
}

/* Each program alone, so that it is seen which one the kernel refuses: whether its structures are as the program knows
 * them, whether it has the hook and the functions, and what its verifier thinks of it. */
static void look_at_program(struct doctor_report *report, const char *name)
{
	struct trouble trouble = { "" };
	struct hooks *hooks = hooks_open(&trouble);
	struct bpf_program *program;
	char title[64];

	if (!hooks)
		return;
	bpf_object__for_each_program(program, hooks_object(hooks)) {
		bool wanted = strcmp(bpf_program__name(program), name) == 0;

		bpf_program__set_autoload(program, wanted);
		if (wanted)
			snprintf(title, sizeof(title), "%.60s", bpf_program__section_name(program));
	}
	if (hooks_load(hooks, &trouble))
		doctor_add(report, GROUP, title, DOCTOR_YES, "the kernel takes the program");
	else
		doctor_add(report, GROUP, title, DOCTOR_NO, "%s", trouble.text);
	hooks_close(hooks);
}

static void look_at_programs(struct doctor_report *report)
{
	struct trouble trouble = { "" };
	struct hooks *hooks = hooks_open(&trouble);
	struct bpf_program *program;

	if (!hooks) {
		doctor_add(report, GROUP, "eBPF programs", DOCTOR_NO, "%s", trouble.text);
		return;
	}
	bpf_object__for_each_program(program, hooks_object(hooks)) {
		look_at_program(report, bpf_program__name(program));
	}
	hooks_close(hooks);
}

/* ---- ending a connection in TIME_WAIT ---- */

static int destroy(const struct sockaddr_in *name)
{
	char buffer[256];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	ssize_t size;
	int error;

	if (!netlink)
		return -errno;
	header->nlmsg_type = SOCK_DESTROY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->id.idiag_sport = name->sin_port;
	request->id.idiag_src[0] = name->sin_addr.s_addr;
	request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	error = mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0 ? -errno : 0;
	size = error ? 0 : mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));
	if (size < 0 || (size > 0 && mnl_cb_run(buffer, (size_t)size, 0, 0, NULL, NULL) < 0))
		error = -errno;
	mnl_socket_close(netlink);
	return error;
}

/* On a listening socket of our own. */
static int try_destroy(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = -EIO;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&name, &size) == 0)
		error = destroy(&name);
	if (fd >= 0)
		close(fd);
	return error;
}

static void look_at_destroy(struct doctor_report *report)
{
	int error = try_destroy();

	doctor_add_feature(
		report, GROUP, "SOCK_DESTROY", error == 0, DOCTOR_LESS,
		"a TIME_WAIT can be ended early, where an administrator asks for that",
		error == -EPERM
			? "needs CAP_NET_ADMIN: no TIME_WAIT can be ended early"
			: "this kernel lacks it (CONFIG_INET_DIAG_DESTROY): no TIME_WAIT can be ended early");
}

/* ---- what is in force ---- */

static void look_at_daemon(struct doctor_report *report)
{
	struct pinned pinned;
	int error = pinned_read(PINS_DEFAULT, &pinned);

	if (error == 0 || error == -ESTALE)
		doctor_add(report, GROUP, "in force", DOCTOR_YES,
			   "berth daemon %s has attached %u hooks to %.200s; %s", pinned.version,
			   pinned.hooks, pinned.cgroup,
			   steered_by_kernel() ? "this program is steered" : "this program is not steered");
	else
		doctor_add(report, GROUP, "in force", DOCTOR_LESS, "%s",
			   steered_by_kernel() ? "this program is steered, by whom is not to be seen"
					       : "nothing: start berth daemon");
}

/* ---- programs of others ---- */

#define MOST_FOREIGN 16u

static void show_foreign(struct doctor_report *report, const struct foreign_program *program)
{
	static const char *const at_connect[] = {
		[FOREIGN_ALONE] =
			"may run after Berth's: where it rewrites the destination, the port is chosen for "
			"another one",
		[FOREIGN_BEFORE] = "runs before Berth's, which sees the destination that it leaves",
		[FOREIGN_AFTER] =
			"runs after Berth's: where it rewrites the destination, the port was chosen for "
			"another one",
	};
	bool harmless = !program->is_connect || program->order == FOREIGN_BEFORE;
	char title[64];

	snprintf(title, sizeof(title), "foreign %s", program->section);
	doctor_add(report, GROUP, title, harmless ? DOCTOR_YES : DOCTOR_LESS, "%s (id %u) %s",
		   *program->name ? program->name : "a program", program->id,
		   program->is_connect ? at_connect[program->order]
				       : "is at bind(): a port that it names stands");
}

/* Of the cgroup that is steered, or of the caller's where none is. */
static void look_at_others(struct doctor_report *report)
{
	struct foreign_program program[MOST_FOREIGN];
	struct pinned pinned = { .cgroup = "" };
	char own[PATH_MAX] = "";
	uint64_t id;
	int cgroup, count;

	pinned_read(PINS_DEFAULT, &pinned);
	if (!*pinned.cgroup && cgroup_own(own) < 0)
		return; /* which is said already */
	cgroup = cgroup_open(*pinned.cgroup ? pinned.cgroup : own, &id);
	count = cgroup < 0 ? cgroup : foreign_programs(cgroup, program, MOST_FOREIGN);
	if (cgroup >= 0)
		close(cgroup);
	for (int i = 0; i < count; i++)
		show_foreign(report, &program[i]);
	if (count == 0)
		doctor_add(report, GROUP, "foreign programs", DOCTOR_YES,
			   "none at connect() and bind() of %.200s", *pinned.cgroup ? pinned.cgroup : own);
	if (count < 0)
		doctor_add(report, GROUP, "foreign programs", DOCTOR_LESS, "cannot be seen: %s",
			   strerror(-count));
}

void doctor_look_at_kernel(struct doctor_report *report)
{
	look_at_capabilities(report);
	look_at_filesystems(report);
	if (!hooks_missing_capability())
		look_at_programs(report);
	look_at_destroy(report);
	look_at_daemon(report);
	look_at_others(report);
}
