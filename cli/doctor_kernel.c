/* SPDX-License-Identifier: MIT
 *
 * What kernel mode needs, each tried as it will be used, up to the moment of attaching.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/doctor_report.h"
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

/* ---- eBPF ---- */

static void add_probe(struct doctor_report *report, const char *name, int answer, const char *there)
{
	if (answer < 0)
		doctor_add(report, GROUP, name, DOCTOR_NO, "cannot be tried: %s", strerror(-answer));
	else
		doctor_add_feature(report, GROUP, name, answer > 0, DOCTOR_NO, there, "this kernel lacks it");
}

static void look_at_programs(struct doctor_report *report)
{
	const enum bpf_prog_type hook = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;

	add_probe(report, "cgroup/connect", libbpf_probe_bpf_prog_type(hook, NULL),
		  "a program can run in connect() and bind()");
	add_probe(report, "tp_btf", libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_TRACING, NULL),
		  "a program can see connections begin and end");
	add_probe(report, "bpf_bind", libbpf_probe_bpf_helper(hook, BPF_FUNC_bind, NULL),
		  "it can choose the port");
	add_probe(report, "bpf_skc_lookup_tcp", libbpf_probe_bpf_helper(hook, BPF_FUNC_skc_lookup_tcp, NULL),
		  "it can look a connection up, in TIME_WAIT too");
	add_probe(report, "bpf_loop", libbpf_probe_bpf_helper(hook, BPF_FUNC_loop, NULL),
		  "it can look at many ports (Linux 5.17)");
}

/* Whether the structures are as the program knows them, the verifier's opinion, and all that was not asked for singly. */
static void load(struct doctor_report *report)
{
	struct trouble trouble;
	struct hooks *hooks = hooks_open(&trouble);

	if (hooks && hooks_load(hooks, &trouble))
		doctor_add(report, GROUP, "Berth's programs", DOCTOR_YES, "the kernel's verifier takes them");
	else
		doctor_add(report, GROUP, "Berth's programs", DOCTOR_NO, "%s", trouble.text);
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

void doctor_look_at_kernel(struct doctor_report *report)
{
	look_at_capabilities(report);
	look_at_filesystems(report);
	look_at_programs(report);
	load(report);
	look_at_destroy(report);
	look_at_daemon(report);
}
