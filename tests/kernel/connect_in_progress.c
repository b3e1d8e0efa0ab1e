/* SPDX-License-Identifier: MIT
 *
 * A blocking connect() on a socket whose connection somebody else has started without blocking, through a
 * duplicate of the descriptor, waits for that connection and returns its outcome; also when it is already
 * established or was refused. Supervise starts the connection itself, so that it can try several ports,
 * and then lets the program's own call continue and do the waiting.
 *
 * A non-blocking second connect() gets EALREADY, so that call must be answered, not continued.
 */
#include <pthread.h>

#include "tests/kernel/fact.h"

/* Starts a connection on a socket that the program believes is blocking. */
static int start_connect(int fd, unsigned port)
{
	int duplicate = MUST(dup(fd)), flags = MUST(fcntl(fd, F_GETFL)), error;

	MUST(fcntl(duplicate, F_SETFL, flags | O_NONBLOCK));
	error = fact_connect(duplicate, port);
	MUST(fcntl(duplicate, F_SETFL, flags));
	close(duplicate);
	return error;
}

static void *accept_one(void *listener)
{
	poll(NULL, 0, 200);
	MUST(accept(*(int *)listener, NULL, NULL));
	return NULL;
}

/* A listener whose queue is full drops the SYN, so a connection to it stays in progress until the
 * queue is emptied and the SYN comes again after a second. */
static void check_waiting(void)
{
	int listener = fact_socket(), filler, fd, error;
	pthread_t accepter;

	MUST(-fact_bind(listener, 5002));
	MUST(listen(listener, 0));
	filler = fact_socket();
	MUST(-fact_connect(filler, 5002));
	fd = fact_socket();
	error = start_connect(fd, 5002);
	FACT(error == EINPROGRESS, "started without blocking: EINPROGRESS");
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	FACT(fact_connect(fd, 5002) == EALREADY, "a non-blocking second connect(): EALREADY");
	MUST(fcntl(fd, F_SETFL, 0));
	MUST(-pthread_create(&accepter, NULL, accept_one, &listener));
	FACT(fact_connect(fd, 5002) == 0, "a blocking one waits for the connection and returns 0");
	pthread_join(accepter, NULL);
	FACT(fact_connect(fd, 5002) == EISCONN, "only once: then EISCONN");
}

int main(void)
{
	int fd, error;

	fact_enter_namespace();
	fact_listener(5001);
	check_waiting();

	fd = fact_socket();
	FACT(start_connect(fd, 5001) == EINPROGRESS,
	     "over loopback too: EINPROGRESS, though established at once");
	poll(NULL, 0, 20);
	FACT(fact_connect(fd, 5001) == 0, "already established: the blocking connect() returns 0");

	fd = fact_socket();
	error = start_connect(fd, 5999);
	FACT(error == EINPROGRESS, "to a port nobody listens on: EINPROGRESS too");
	FACT(fact_connect(fd, 5999) == ECONNREFUSED, "refused: the blocking connect() returns ECONNREFUSED");
	return fact_done();
}
