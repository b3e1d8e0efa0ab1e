/* SPDX-License-Identifier: MIT
 *
 * Seccomp user notification for the facts about it: getppid() is the call that is notified, because
 * nothing else here needs it.
 */
#ifndef BERTH_TESTS_KERNEL_NOTIFY_H
#define BERTH_TESTS_KERNEL_NOTIFY_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/kernel/fact.h"

/* Installs the filter on this thread, with flags beside NEW_LISTENER; returns the listener or -1 with errno. */
static inline int notify_install(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags,
			    &program);
}

/* Waits up to 5 s for a notification; false if none came. */
static inline bool notify_receive(int listener, struct seccomp_notif *ret_call)
{
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	memset(ret_call, 0, sizeof(*ret_call));
	return poll(&ready, 1, 5000) == 1 && ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret_call) == 0;
}

/* Lets the call return value. Returns 0 or the errno. */
static inline int notify_answer(int listener, uint64_t id, int64_t value)
{
	struct seccomp_notif_resp answer = { .id = id, .val = value };

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) ? errno : 0;
}

/* Copies out of pid the listener whose number it writes into the pipe, and closes the pipe. */
static inline int notify_take_listener(pid_t pid, const int numbers[2])
{
	int listener = -1, copy;

	MUST(read(numbers[0], &listener, sizeof(listener)));
	close(numbers[0]);
	close(numbers[1]);
	if (listener < 0)
		fact_cannot_ask("a seccomp listener with these flags");
	copy = (int)syscall(SYS_pidfd_getfd, MUST(syscall(SYS_pidfd_open, pid, 0)), listener, 0);
	if (copy < 0)
		fact_cannot_ask("pidfd_getfd");
	return copy;
}

/* Starts a process that makes calls of the notified kind and exits with 1 as soon as one does not
 * return wanted, else with 0. It has installed the filter; *ret_listener is its listener. */
static inline pid_t notify_start_caller(int calls, long wanted, int *ret_listener)
{
	int numbers[2], listener;
	pid_t pid;

	MUST(pipe2(numbers, O_CLOEXEC));
	pid = MUST(fork());
	if (pid == 0) {
		listener = notify_install(0);
		MUST(write(numbers[1], &listener, sizeof(listener)));
		for (int i = 0; i < calls; i++)
			if (syscall(SYS_getppid) != wanted)
				_exit(1);
		_exit(0);
	}
	*ret_listener = notify_take_listener(pid, numbers);
	return pid;
}

#endif
