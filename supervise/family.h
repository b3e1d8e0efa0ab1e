/* SPDX-License-Identifier: MIT
 *
 * What Berth's own processes say to each other, and how they wait for the program.
 */
#ifndef BERTH_SUPERVISE_FAMILY_H
#define BERTH_SUPERVISE_FAMILY_H

#include <sys/types.h>

#include "supervise/supervise.h"

struct shared;

enum front_news {
	FRONT_STARTED,	   /* the program was executed; number: the supervisor's pid */
	FRONT_EXEC_FAILED, /* number: errno */
	FRONT_FAILED,	   /* text: why the program could not be supervised; it was not started */
	FRONT_STATUS,	   /* number: what wait() says of the program */
	FRONT_STAYING,	   /* the program has ended, and processes that it started go on */
};

struct front_message {
	enum front_news news;
	int number;
	char text[192];
};

/* Everything a process of the family knows of the others. */
struct family {
	const struct supervise_options *options;
	char *const *argv;
	struct shared *shared;
	int front_fd; /* to the front: SOCK_SEQPACKET, one struct front_message each */
	pid_t front;
	pid_t guardian;	     /* only the front knows */
	bool ignore_sigchld; /* the program is to */
};

/* The fixed descriptors of guardian and supervisor, once the program runs: all others are the
 * supervisor's to open and the guardian's to close. */
enum {
	FRONT_FD = 3,
	LISTENER_FD = 4,
	GATE_FD = 5,
	FIRST_FREE_FD = 5
};

void front_tell(const struct family *family, enum front_news news, int number);
void front_tell_failure(const struct family *family, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Keeps count descriptors, as 3, 4, ..., gives 0 to last_null to /dev/null, and closes all others:
 * the program's own, which are not to stay open longer than the program keeps them. False with
 * errno: out of descriptors. */
bool keep_descriptors(const int *kept, int count, int last_null);

/* From here on signals go to the program only: the caller leaves its process group, and blocks what
 * is sent to itself, but for what says that a process is at fault: its death is provided for. */
void block_signals(void);

/* A descriptor that is readable when a child has ended, stopped, or gone on. */
int open_child_signals(void);

/* Goes to /, so that the program's directory, and the file system it is on, is not kept in use. Front, guardian
 * and supervisor each do so once, when they have forked who is to stay in it. */
void leave_directory(const struct family *family);

/* Waits until all three have: before it runs the program, as that may unmount the file system at once. Not
 * for long, should one of them be stopped or dead. */
void await_others_away(const struct family *family);

/* The body of the guardian: starts the supervisor, and takes its place when it dies. Never returns. */
_Noreturn void guardian_main(struct family *family);

/* The body of the supervisor: starts the program and answers its calls until all of it has ended. The
 * exit status: 0, also where the program could not be started (the front was then told). */
int supervisor_main(struct family *family);

/* Forks the program's process, which installs the filter and waits. Afterwards the caller has the
 * descriptors FRONT_FD, LISTENER_FD and GATE_FD, and /dev/null at 0 to 2. False: the front was told
 * why. */
bool program_fork(struct family *family);

/* Lets the process execute the program, and closes the gate. False: it could not; the front was told
 * why. */
bool program_execute(struct family *family);

/* Reaps every child that has ended and tells the front of the program's state. A state is told
 * before it is reaped: if the caller is killed in between, its heir sees the child once more. */
void program_reap(struct family *family);

/* The same at the very end: the listener has hung up, so that the program's last process is ending,
 * if it has not yet ended. */
void program_reap_last(struct family *family);

/* The front is gone. If that was not because the program had ended, it was killed, and a kill -9 of
 * the front is meant for the program. */
void program_front_gone(struct family *family);

#endif
