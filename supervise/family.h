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
	FRONT_STARTED,	   /* the program runs; number: the process group that the front is to join */
	FRONT_EXEC_FAILED, /* number: errno */
	FRONT_FAILED,	   /* text: why the program could not be supervised; it was not started */
	FRONT_STATUS,	   /* number: what wait() says of the program */
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
	int front_fd;  /* to the front: SOCK_SEQPACKET, one struct front_message each */
	pid_t front;
	pid_t program; /* 0 until it is started, and again when it has ended */
	int listener;  /* of the filter; -1 until it is installed */
};

/* The fixed descriptors of guardian and supervisor, once the program runs: all others are the supervisor's to
 * open and the guardian's to close. */
enum { FRONT_FD = 3, LISTENER_FD = 4, FIRST_FREE_FD = 5 };

void front_tell(const struct family *family, enum front_news news, int number);
void front_tell_failure(const struct family *family, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The body of the guardian: starts the supervisor, and takes its place when it dies. Never returns. */
_Noreturn void guardian_main(struct family *family);

/* The body of the supervisor: starts the program and answers its calls until all of it has ended. The
 * exit status: 0, also where the program could not be started (the front was then told). */
int supervisor_main(struct family *family);

/* Forks and executes the program under the filter. Fills family->program and family->listener, with
 * the descriptors of the caller at FRONT_FD, LISTENER_FD and /dev/null. False: the front was told why. */
bool program_start(struct family *family);

/* Reaps every child that has ended and tells the front of the program's state. A state is told
 * before it is reaped: if the caller is killed in between, its heir sees the child once more. */
void program_reap(struct family *family);

/* The front is gone. If that was not because the program had ended, it was killed, and a kill -9 of the front is
 * meant for the program. */
void program_front_gone(struct family *family);

#endif
