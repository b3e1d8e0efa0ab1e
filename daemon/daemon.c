/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/install.h"
#include "daemon/pins.h"
#include "daemon/service.h"
#include "host/bpf_fs.h"
#include "host/cgroup.h"

struct daemon {
	struct install install;
	char cgroup[PATH_MAX];
	struct hooks *hooks;
	int life_lock;
	int signals, changes; /* signalfd; inotify on the pins */
	struct trouble trouble;
};

#define EMPTY                                                                          \
	(struct daemon)                                                                \
	{                                                                              \
		.install.cgroup_fd = -1, .life_lock = -1, .signals = -1, .changes = -1 \
	}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("berth daemon: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

/* ---- what it is about ---- */

static bool find_cgroup(struct daemon *daemon, const struct daemon_options *options)
{
	if (!options->cgroup) {
		if (cgroup_root(daemon->cgroup) < 0)
			return trouble_say(&daemon->trouble,
					   "no cgroup v2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)");
	} else if (!realpath(options->cgroup, daemon->cgroup)) {
		return trouble_say(&daemon->trouble, "--cgroup=%.300s: %s", options->cgroup, strerror(errno));
	}
	daemon->install.cgroup = daemon->cgroup;
	daemon->install.cgroup_fd = cgroup_open(daemon->cgroup, &daemon->install.cgroup_id);
	if (daemon->install.cgroup_fd < 0)
		return trouble_say(&daemon->trouble, "--cgroup=%.300s: %s", daemon->cgroup,
				   daemon->install.cgroup_fd == -EMEDIUMTYPE
					   ? "not a cgroup of version 2"
					   : strerror(-daemon->install.cgroup_fd));
	return true;
}

static bool prepare(struct daemon *daemon, const struct daemon_options *options)
{
	daemon->install.dir = options->pin ? options->pin : PINS_DEFAULT;
	if (!find_cgroup(daemon, options))
		return false;
	daemon->hooks = hooks_open(&daemon->trouble);
	return daemon->hooks != NULL;
}

static void finish(struct daemon *daemon)
{
	hooks_close(daemon->hooks);
	if (daemon->install.cgroup_fd >= 0)
		close(daemon->install.cgroup_fd);
	if (daemon->life_lock >= 0)
		close(daemon->life_lock);
	if (daemon->signals >= 0)
		close(daemon->signals);
	if (daemon->changes >= 0)
		close(daemon->changes);
}

/* ---- start ---- */

static bool mount_if_missing(struct daemon *daemon)
{
	int error;

	if (strcmp(daemon->install.dir, PINS_DEFAULT) != 0 || bpf_fs_is(BPF_FS))
		return true;
	error = bpf_fs_mount();
	if (error)
		return trouble_say(&daemon->trouble,
				   BPF_FS ": no bpf filesystem, and it cannot be mounted: %s%s",
				   strerror(-error), error == -EPERM ? " (be root)" : "");
	say("mounted a bpf filesystem at " BPF_FS);
	return true;
}

static bool lock_life(struct daemon *daemon)
{
	daemon->life_lock = pins_lock_life(daemon->install.dir);
	if (daemon->life_lock >= 0)
		return true;
	if (daemon->life_lock == -EWOULDBLOCK)
		return trouble_say(&daemon->trouble, "%.300s: another berth daemon is running",
				   daemon->install.dir);
	return trouble_say(&daemon->trouble, "%.300s: %s", daemon->install.dir, strerror(-daemon->life_lock));
}

static void say_what_was_done(const struct daemon *daemon, enum install_verdict verdict)
{
	static const char *const done[] = {
		[INSTALL_NEW] = "attached",
		[INSTALL_SAME] = "this build is attached already: left as it is",
		[INSTALL_REPLACE] = "replaced what was attached before",
	};

	say("%s; steers %s, pinned in %s", done[verdict], daemon->cgroup, daemon->install.dir);
}

static bool install(struct daemon *daemon)
{
	int lock = pins_lock_change(daemon->install.dir);
	enum install_verdict verdict;
	bool done;

	if (lock < 0)
		return trouble_say(&daemon->trouble, "%.300s: %s", daemon->install.dir, strerror(-lock));
	verdict = install_plan(&daemon->install, daemon->hooks, &daemon->trouble);
	done = verdict == INSTALL_SAME;
	if (verdict == INSTALL_NEW || verdict == INSTALL_REPLACE)
		done = install_carry_out(&daemon->install, daemon->hooks, &daemon->trouble);
	close(lock);
	if (done)
		say_what_was_done(daemon, verdict);
	/* The pins keep what is needed, and only they: or the hooks would outlive a detaching. */
	hooks_close(daemon->hooks);
	daemon->hooks = NULL;
	return done;
}

/* From now on a signal waits until what was begun is done. */
static bool take_signals(struct daemon *daemon)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) == 0)
		daemon->signals = signalfd(-1, &ends, SFD_CLOEXEC);
	return daemon->signals >= 0 || trouble_say(&daemon->trouble, "signalfd: %s", strerror(errno));
}

static bool watch_pins(struct daemon *daemon)
{
	daemon->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return inotify_add_watch(daemon->changes, daemon->install.dir, IN_DELETE) >= 0 ||
	       trouble_say(&daemon->trouble, "%.300s: cannot be watched: %s", daemon->install.dir,
			   strerror(errno));
}

/* ---- life ---- */

static bool is_detached(const struct daemon *daemon)
{
	char build[PATH_MAX];

	return !pins_read(daemon->install.dir, PINS_WORD_BUILD, build);
}

static void live(const struct daemon *daemon)
{
	struct pollfd wait[2] = { { daemon->signals, POLLIN, 0 }, { daemon->changes, POLLIN, 0 } };
	char events[4096];

	while (!is_detached(daemon)) {
		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[0].revents) {
			say("ends; the hooks stay ('berth detach' removes them)");
			return;
		}
		while (read(daemon->changes, events, sizeof(events)) > 0)
			;
	}
	say("the hooks were detached: ends");
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = EMPTY;
	bool started;

	started = take_signals(&daemon) && prepare(&daemon, options) && mount_if_missing(&daemon) &&
		  pins_make(daemon.install.dir, &daemon.trouble) && lock_life(&daemon) && install(&daemon) &&
		  watch_pins(&daemon);
	if (started) {
		service_tell("READY=1");
		live(&daemon);
		service_tell("STOPPING=1");
	} else {
		say("%s", daemon.trouble.text);
	}
	finish(&daemon);
	return started ? 0 : 1;
}

int daemon_check(const struct daemon_options *options)
{
	static const char *const would[] = {
		[INSTALL_NEW] = "would attach",
		[INSTALL_SAME] = "is attached already",
		[INSTALL_REPLACE] = "would replace what is attached",
	};
	struct daemon daemon = EMPTY;
	enum install_verdict verdict = INSTALL_REFUSED;

	if (prepare(&daemon, options))
		verdict = install_plan(&daemon.install, daemon.hooks, &daemon.trouble);
	if (verdict != INSTALL_SAME && verdict != INSTALL_REFUSED &&
	    !hooks_load(daemon.hooks, &daemon.trouble))
		verdict = INSTALL_REFUSED;
	if (verdict == INSTALL_REFUSED)
		say("%s", daemon.trouble.text);
	else
		printf("%s: %s, pinned in %s\n", would[verdict], daemon.cgroup, daemon.install.dir);
	finish(&daemon);
	return verdict == INSTALL_REFUSED;
}
