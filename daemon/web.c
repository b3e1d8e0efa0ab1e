/* SPDX-License-Identifier: MIT */
#include "daemon/web.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/http.h"
#include "daemon/pinned.h"
#include "daemon/web_routes.h"
#include "host/address_text.h"
#include "host/socket_address.h"

#define NOBODY	    65534 /* the kernel's overflow user: owns nothing */
#define BACKLOG	    64
#define DESCRIPTORS 256u

#define BIND_TRIES   50
#define BIND_WAIT_MS 40

/* ---- before the privileges go ---- */

static bool read_token(const char *path, char ret_token[HTTP_TOKEN_MAX], struct trouble *trouble)
{
	char text[HTTP_TOKEN_MAX + 1] = { 0 };
	ssize_t size;
	int fd;

	memset(ret_token, 0, HTTP_TOKEN_MAX);
	if (!*path)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return trouble_say(trouble, "token-file %.200s: %s", path, strerror(errno));
	size = read(fd, text, sizeof(text));
	close(fd);
	if (size < 0)
		return trouble_say(trouble, "token-file %.200s: %s", path, strerror(errno));
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < HTTP_TOKEN_MIN || strlen(text) >= HTTP_TOKEN_MAX || strpbrk(text, " \t"))
		return trouble_say(
			trouble,
			"token-file %.200s: the first line is to be %u to %u characters without blanks", path,
			HTTP_TOKEN_MIN, HTTP_TOKEN_MAX - 1);
	memcpy(ret_token, text, HTTP_TOKEN_MAX);
	return true;
}

/* The web process of a daemon that was killed ends by itself, some moments later: hence some tries. */
static bool bind_at_last(int fd, const struct sockaddr *address, socklen_t size)
{
	for (unsigned i = 0; i < BIND_TRIES; i++) {
		if (bind(fd, address, size) == 0)
			return true;
		if (errno != EADDRINUSE)
			return false;
		poll(NULL, 0, BIND_WAIT_MS);
	}
	errno = EADDRINUSE;
	return false;
}

static int listen_at(const struct berth_endpoint *endpoint, struct trouble *trouble)
{
	int family = berth_address_is_v4(&endpoint->address) ? AF_INET : AF_INET6, one = 1;
	struct sockaddr_storage address;
	socklen_t size = sockaddr_from_endpoint(endpoint, family, &address);
	char text[ENDPOINT_TEXT];
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind_at_last(fd, (const struct sockaddr *)&address, size) && listen(fd, BACKLOG) == 0)
		return fd;
	trouble_say(trouble, "listen = %s: %s", endpoint_text(endpoint, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- the process ---- */

static bool drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (geteuid() == 0 && (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return false;
	return syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* What an intruder would want, and answering a request does not. */
static bool forbid_calls(void)
{
	static const char *const forbidden[] = {
		"execve",
		"execveat",
		"fork",
		"vfork",
		"clone",
		"clone3",
		"ptrace",
		"connect",
		"kill",
		"tkill",
		"io_uring_setup",
		"unshare",
		"setns",
		"mount",
		"keyctl",
		"add_key",
		"process_vm_readv",
		"process_vm_writev",
		"pidfd_getfd",
		"perf_event_open",
		"userfaultfd",
		"unlink",
		"unlinkat",
		"rename",
		"renameat",
		"renameat2",
		"mkdir",
		"mkdirat",
		"truncate",
		"ftruncate",
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool done = filter != NULL;

	for (size_t i = 0; done && i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		int number = seccomp_syscall_resolve_name(forbidden[i]);

		done = number == __NR_SCMP_ERROR ||
		       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) == 0;
	}
	done = done && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return done;
}

/* Keeps no descriptor but these, which become the first behind stderr: above all not the daemon's locks, which would outlive
 * it. */
static void close_others(int *const keep[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		*keep[i] = fcntl(*keep[i], F_DUPFD, DESCRIPTORS / 2);
	for (unsigned i = 0; i < count; i++)
		*keep[i] = dup2(*keep[i], STDERR_FILENO + 1 + (int)i);
	close_range(STDERR_FILENO + 1 + count, ~0u, 0);
}

static void serve(int listen_fd, const char *token, struct pinned_reader *pinned, pid_t daemon)
{
	const struct rlimit descriptors = { DESCRIPTORS, DESCRIPTORS };
	struct http *http;
	sigset_t none;

	close_others((int *[]){ &listen_fd, &pinned->exhaustions, &pinned->owners.range_link,
				&pinned->owners.all_link },
		     4);
	prctl(PR_SET_NAME, "berth-web");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_NOFILE, &descriptors);
	if (!drop_privileges())
		return;
	/* After the change of user, which takes it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != daemon)
		return;
	http = http_open(listen_fd, token, web_routes, pinned);
	if (http && forbid_calls())
		http_run(http);
}

bool web_start(struct web *ret_web, const struct config *config, const char *dir, struct trouble *ret_trouble)
{
	char token[HTTP_TOKEN_MAX];
	struct pinned_reader pinned;
	pid_t daemon = getpid();
	int listen_fd, error;

	*ret_web = (struct web){ .fd = -1 };
	if (!read_token(config->token_file, token, ret_trouble))
		return false;
	listen_fd = listen_at(&config->listen, ret_trouble);
	if (listen_fd < 0)
		return false;
	error = pinned_open(dir, &pinned);
	if (!error) {
		ret_web->pid = fork();
		if (ret_web->pid == 0) {
			serve(listen_fd, token, &pinned, daemon);
			_exit(1);
		}
		error = ret_web->pid < 0 ? -errno : 0;
		pinned_close(&pinned);
	}
	close(listen_fd);
	explicit_bzero(token, sizeof(token));
	if (!error)
		ret_web->fd = pidfd_open(ret_web->pid, 0);
	if (!error && ret_web->fd < 0)
		error = -errno;
	if (!error)
		return true;
	web_stop(ret_web);
	return trouble_say(ret_trouble, "the process of the web page: %s", strerror(-error));
}

void web_stop(struct web *web)
{
	/* Without CAP_KILL it is not ours to end: it ends with us. */
	if (web->pid > 0 && kill(web->pid, SIGKILL) == 0) {
		while (waitpid(web->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (web->fd >= 0)
		close(web->fd);
	*web = (struct web){ .fd = -1 };
}
