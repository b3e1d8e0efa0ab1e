/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/detach.h"
#include "daemon/excluded.h"
#include "daemon/governor.h"
#include "daemon/install.h"
#include "daemon/pinned.h"
#include "daemon/pins.h"
#include "daemon/port_events.h"
#include "daemon/say.h"
#include "daemon/service.h"
#include "daemon/settings.h"
#include "daemon/web.h"
#include "host/bpf_fs.h"
#include "host/cgroup.h"
#include "host/clock.h"

/* A web process that ends sooner than that is not started again: it would end again. */
#define WEB_LEAST_LIFE_NS 10000000000ull

/* How often it looks for the cgroups that are to be left alone. */
#define CGROUPS_EVERY_NS 1000000000ull

#define LOCK_TRIES   50
#define LOCK_WAIT_MS 20

struct daemon {
	const struct daemon_options *options;
	struct config config;
	struct install install;
	char cgroup[PATH_MAX];
	struct hooks *hooks;
	int life_lock;
	int signals, changes; /* signalfd; inotify on the pins */
	void *variables;      /* of the hooks, mapped */
	struct governor *governor;
	struct port_events events;
	struct excluded_cgroups excluded; /* as last found */
	uint64_t excluded_ns;
	struct web web;
	uint64_t web_start_ns;
	uint32_t kept_away_s; /* as was said */
	struct trouble trouble;
};

static void begin(struct daemon *daemon, const struct daemon_options *options)
{
	*daemon = (struct daemon){
		.options = options, .life_lock = -1, .signals = -1, .changes = -1, .web.fd = -1
	};
	daemon->install.dir = options->pin ? options->pin : PINS_DEFAULT;
	daemon->install.config = &daemon->config;
	daemon->install.cgroup_fd = -1;
}

/* ---- what it is about ---- */

static bool read_settings(struct daemon *daemon)
{
	char line[CONFIG_LINE_SIZE];

	return config_read_settings(daemon->options->config_path, &daemon->config, line) ||
	       trouble_say(&daemon->trouble, "%s", line);
}

/* When it is turned on, or changed. */
static void say_if_ports_are_kept(struct daemon *daemon)
{
	uint32_t before_s = daemon->kept_away_s;
	char price[CONFIG_PRICE_SIZE];

	daemon->kept_away_s = config_kept_away_s(&daemon->config);
	if (daemon->kept_away_s != 0 && daemon->kept_away_s != before_s)
		say("%s", config_kept_away_price(&daemon->config, price));
}

/* As the command line has it, or the settings; NULL: the root. */
static const char *wanted_cgroup(const struct daemon *daemon)
{
	if (daemon->options->cgroup)
		return daemon->options->cgroup;
	return *daemon->config.cgroup ? daemon->config.cgroup : NULL;
}

static bool resolve_cgroup(struct daemon *daemon, char ret_path[PATH_MAX])
{
	const char *wanted = wanted_cgroup(daemon);

	if (!wanted)
		return cgroup_root(ret_path) == 0 ||
		       trouble_say(&daemon->trouble,
				   "no cgroup v2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)");
	return realpath(wanted, ret_path) ||
	       trouble_say(&daemon->trouble, "cgroup %.300s: %s", wanted, strerror(errno));
}

static bool find_cgroup(struct daemon *daemon)
{
	if (!resolve_cgroup(daemon, daemon->cgroup))
		return false;
	daemon->install.cgroup = daemon->cgroup;
	daemon->install.cgroup_fd = cgroup_open(daemon->cgroup, &daemon->install.cgroup_id);
	if (daemon->install.cgroup_fd < 0)
		return trouble_say(&daemon->trouble, "cgroup %.300s: %s", daemon->cgroup,
				   daemon->install.cgroup_fd == -EMEDIUMTYPE
					   ? "not a cgroup of version 2"
					   : strerror(-daemon->install.cgroup_fd));
	return true;
}

static bool open_hooks(struct daemon *daemon)
{
	daemon->hooks = hooks_open(&daemon->trouble);
	if (!daemon->hooks)
		return false;
	settings_choose(&daemon->config, daemon->hooks);
	return true;
}

static bool prepare(struct daemon *daemon)
{
	if (!read_settings(daemon) || !find_cgroup(daemon))
		return false;
	return open_hooks(daemon);
}

static void finish(struct daemon *daemon)
{
	web_stop(&daemon->web);
	governor_close(daemon->governor);
	if (daemon->variables)
		munmap(daemon->variables, hooks_variables_size());
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

/* A web process that has just been forked shares the lock until it has closed what it does not need, also if its daemon is
 * killed meanwhile: hence some tries. */
static bool lock_life(struct daemon *daemon)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		daemon->life_lock = pins_lock_life(daemon->install.dir);
		if (daemon->life_lock != -EWOULDBLOCK)
			break;
		poll(NULL, 0, LOCK_WAIT_MS);
	}
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

static bool install_locked(struct daemon *daemon, enum install_verdict *ret_verdict)
{
	int lock = pins_lock_change(daemon->install.dir);
	bool done;

	*ret_verdict = INSTALL_REFUSED;
	if (lock < 0)
		return trouble_say(&daemon->trouble, "%.300s: the lock cannot be had: %s",
				   daemon->install.dir, strerror(-lock));
	*ret_verdict = install_plan(&daemon->install, daemon->hooks, &daemon->trouble);
	done = *ret_verdict != INSTALL_REFUSED &&
	       (*ret_verdict == INSTALL_SAME
			? settings_write_pinned(&daemon->config, daemon->install.dir, &daemon->trouble)
			: install_carry_out(&daemon->install, daemon->hooks, &daemon->trouble));
	close(lock);
	return done;
}

/* What the settings in force need; the hooks are open, and closed hereafter. */
static bool install(struct daemon *daemon, enum install_verdict *ret_verdict)
{
	bool done = install_locked(daemon, ret_verdict);

	/* The pins keep what is needed, and only they: or the hooks would outlive a detaching. */
	hooks_close(daemon->hooks);
	daemon->hooks = NULL;
	return done;
}

static void see_nothing(void *context, enum detached kind, const char *name)
{
	(void)context, (void)kind, (void)name;
}

static void add(struct trouble *trouble, const char *words)
{
	size_t length = strlen(trouble->text);

	snprintf(trouble->text + length, sizeof(trouble->text) - length, "; %s", words);
}

/* Where nothing was there before, nothing stays. */
static bool begin_to_steer(struct daemon *daemon)
{
	enum install_verdict verdict;
	struct trouble unseen;

	if (install(daemon, &verdict)) {
		say_what_was_done(daemon, verdict);
		return true;
	}
	if (verdict == INSTALL_NEW)
		detach(daemon->install.dir, see_nothing, NULL, &unseen);
	else if (verdict == INSTALL_REPLACE)
		add(&daemon->trouble, "all hooks that were there stay attached");
	return false;
}

/* From now on a signal waits until what was begun is done. */
static bool take_signals(struct daemon *daemon)
{
	sigset_t taken;

	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &taken, NULL) == 0)
		daemon->signals = signalfd(-1, &taken, SFD_CLOEXEC);
	return daemon->signals >= 0 || trouble_say(&daemon->trouble, "signalfd: %s", strerror(errno));
}

static bool watch_pins(struct daemon *daemon)
{
	daemon->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return (daemon->changes >= 0 &&
		inotify_add_watch(daemon->changes, daemon->install.dir, IN_DELETE) >= 0) ||
	       trouble_say(&daemon->trouble, "%.300s: cannot be watched: %s", daemon->install.dir,
			   strerror(errno));
}

static bool start_work(struct daemon *daemon)
{
	daemon->variables = pinned_map(daemon->install.dir, true);
	if (!daemon->variables)
		return trouble_say(&daemon->trouble, "%.300s: the hooks' counters cannot be read: %s",
				   daemon->install.dir, strerror(errno));
	daemon->governor = governor_open(daemon->install.dir, daemon->variables, &daemon->trouble);
	port_events_init(&daemon->events, daemon->install.dir, daemon->variables);
	return daemon->governor != NULL;
}

/* Services come and go, and their cgroups with them. */
static void look_for_cgroups(struct daemon *daemon)
{
	struct excluded_cgroups before = daemon->excluded;
	uint64_t now_ns = clock_ns();

	if (now_ns - daemon->excluded_ns < CGROUPS_EVERY_NS)
		return;
	daemon->excluded_ns = now_ns;
	excluded_find(&daemon->config, &daemon->excluded);
	if (memcmp(&before, &daemon->excluded, sizeof(before)) == 0)
		return;
	if (excluded_write_pinned(&daemon->config, &daemon->excluded, daemon->install.dir, daemon->variables,
				  &daemon->trouble))
		excluded_say(&daemon->config, &before, &daemon->excluded);
	else
		say("%s", daemon->trouble.text);
}

/* With other settings: says of each that is not there. */
static void look_for_cgroups_anew(struct daemon *daemon)
{
	memset(&daemon->excluded, 0, sizeof(daemon->excluded));
	daemon->excluded_ns = 0;
	look_for_cgroups(daemon);
}

/* In how many milliseconds there is more. */
static int work(struct daemon *daemon)
{
	int more = governor_work(daemon->governor);

	port_events_look(&daemon->events);
	look_for_cgroups(daemon);
	return more < 0 ? PORT_EVENTS_EVERY_MS : more;
}

/* ---- the web process: ports are steered whether it runs or not ---- */

static void start_web(struct daemon *daemon)
{
	daemon->web_start_ns = clock_ns();
	if (!web_start(&daemon->web, &daemon->config, daemon->install.dir, &daemon->trouble))
		say("%s; there are no metrics and no page until SIGHUP", daemon->trouble.text);
}

static void start_web_again(struct daemon *daemon)
{
	bool lived = clock_ns() - daemon->web_start_ns >= WEB_LEAST_LIFE_NS;

	web_stop(&daemon->web);
	say("the process that serves metrics and the page has ended%s",
	    lived ? ": starts another" : " soon after its start; no other is started until SIGHUP");
	if (lived)
		start_web(daemon);
}

/* ---- life ---- */

static bool is_detached(const struct daemon *daemon)
{
	char build[PATH_MAX];

	return !pins_read(daemon->install.dir, PINS_WORD_BUILD, build);
}

/* Which programs are steered is settled when the hooks are attached. */
static void say_if_cgroup_stays(struct daemon *daemon)
{
	char wanted[PATH_MAX];

	if (!resolve_cgroup(daemon, wanted))
		say("%s", daemon->trouble.text);
	else if (strcmp(wanted, daemon->cgroup) != 0)
		say("still steers %s: for another cgroup, 'berth detach', and start again", daemon->cgroup);
}

/* What could not be taken may have been written in part. */
static void put_back(struct daemon *daemon, const struct config *before)
{
	struct trouble trouble;

	daemon->config = *before;
	if (settings_write_pinned(before, daemon->install.dir, &trouble))
		say("%s; the settings stay as they were", daemon->trouble.text);
	else
		say("%s; nor can the settings before be put back: %s", daemon->trouble.text, trouble.text);
}

static void reload(struct daemon *daemon)
{
	const struct config before = daemon->config;
	enum install_verdict verdict;

	service_tell("RELOADING=1");
	if (read_settings(daemon) && open_hooks(daemon) && install(daemon, &verdict)) {
		web_stop(&daemon->web);
		start_web(daemon);
		say("took the settings anew");
		governor_apply(daemon->governor, &daemon->config);
		say_if_ports_are_kept(daemon);
		look_for_cgroups_anew(daemon);
		say_if_cgroup_stays(daemon);
	} else {
		put_back(daemon, &before);
	}
	service_tell("READY=1");
}

/* Takes a signal that has come. Whether it is one to end by. */
static bool is_told_to_end(struct daemon *daemon)
{
	struct signalfd_siginfo signal;

	if (read(daemon->signals, &signal, sizeof(signal)) != sizeof(signal))
		return false;
	if (signal.ssi_signo != SIGHUP)
		return true;
	reload(daemon);
	return false;
}

static void live(struct daemon *daemon)
{
	char events[4096];

	while (!is_detached(daemon)) {
		struct pollfd wait[3] = { { daemon->signals, POLLIN, 0 },
					  { daemon->changes, POLLIN, 0 },
					  { daemon->web.fd, POLLIN, 0 } };

		if (poll(wait, 3, work(daemon)) < 0)
			continue;
		if (wait[0].revents && is_told_to_end(daemon)) {
			say("ends; the hooks stay ('berth detach' removes them)");
			return;
		}
		if (wait[2].revents)
			start_web_again(daemon);
		while (read(daemon->changes, events, sizeof(events)) > 0)
			;
	}
	say("the hooks were detached: ends");
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon;
	bool started;

	begin(&daemon, options);
	started = take_signals(&daemon) && prepare(&daemon) && mount_if_missing(&daemon) &&
		  pins_make(daemon.install.dir, &daemon.trouble) && lock_life(&daemon) &&
		  begin_to_steer(&daemon) && watch_pins(&daemon) && start_work(&daemon);
	if (started) {
		governor_apply(daemon.governor, &daemon.config);
		say_if_ports_are_kept(&daemon);
		look_for_cgroups_anew(&daemon);
		start_web(&daemon);
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
	const struct excluded_cgroups nothing = { 0 };
	enum install_verdict verdict = INSTALL_REFUSED;
	struct daemon daemon;

	begin(&daemon, options);
	if (prepare(&daemon))
		verdict = install_plan(&daemon.install, daemon.hooks, &daemon.trouble);
	if (verdict != INSTALL_SAME && verdict != INSTALL_REFUSED &&
	    !hooks_load(daemon.hooks, &daemon.trouble))
		verdict = INSTALL_REFUSED;
	if (verdict == INSTALL_REFUSED) {
		say("%s", daemon.trouble.text);
	} else {
		printf("%s: %s, pinned in %s\n", would[verdict], daemon.cgroup, daemon.install.dir);
		excluded_find(&daemon.config, &daemon.excluded);
		excluded_say(&daemon.config, &nothing, &daemon.excluded);
	}
	finish(&daemon);
	return verdict == INSTALL_REFUSED;
}
