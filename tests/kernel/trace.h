/* SPDX-License-Identifier: MIT
 *
 * What the kernel's tracepoints show of a program's own sockets: kernel mode hangs on the same ones (bpf/berth.bpf.c).
 *
 * They fire for the whole machine; a filter tells this process's sockets from others', by a socket's cookie or by a far port
 * that hardly anybody else uses.
 */
#ifndef BERTH_TESTS_KERNEL_TRACE_H
#define BERTH_TESTS_KERNEL_TRACE_H

#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/kernel/fact.h"

#define TRACING "/sys/kernel/tracing"

static char trace_instance[64];
static int trace_fd;

static inline void trace_end(void)
{
	close(trace_fd);
	rmdir(trace_instance);
}

/* An instance of its own: whoever traces meanwhile is not disturbed. The mount is this process's own. */
static inline void trace_begin(void)
{
	char path[128];

	if (geteuid() != 0)
		fact_cannot_ask("tracefs is for root");
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		fact_cannot_ask("mount tracefs");
	snprintf(trace_instance, sizeof(trace_instance), TRACING "/instances/berth-fact-%d", (int)getpid());
	if (mkdir(trace_instance, 0700))
		fact_cannot_ask("a trace instance");
	snprintf(path, sizeof(path), "%s/trace_pipe", trace_instance);
	trace_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	atexit(trace_end);
}

/* Begins to trace an event ("tcp/tcp_destroy_sock"), or gives it another filter. */
__attribute__((format(printf, 2, 3))) static inline void trace_event(const char *event, const char *filter,
								     ...)
{
	char path[160], text[128];
	va_list arguments;

	snprintf(path, sizeof(path), "%s/events/%s", trace_instance, event);
	if (access(path, F_OK))
		fact_cannot_ask(event);
	va_start(arguments, filter);
	vsnprintf(text, sizeof(text), filter, arguments);
	va_end(arguments);
	snprintf(path, sizeof(path), "%s/events/%s/filter", trace_instance, event);
	fact_write_file(path, text);
	snprintf(path, sizeof(path), "%s/events/%s/enable", trace_instance, event);
	fact_write_file(path, "1");
}

/* What was traced since the last call, one event a line; in a buffer that the next call uses again. */
static inline char *trace_read(void)
{
	static char text[65536];
	size_t total = 0;
	ssize_t length;

	while ((length = read(trace_fd, text + total, sizeof(text) - 1 - total)) > 0)
		total += (size_t)length;
	text[total] = '\0';
	return text;
}

static inline uint64_t trace_cookie(int fd)
{
	uint64_t cookie;
	socklen_t length = sizeof(cookie);

	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length));
	return cookie;
}

/* The ends of connections that are to be told from others'. */
static inline unsigned trace_far_port(void)
{
	return 10000 + (unsigned)getpid() % 20000;
}

#endif
