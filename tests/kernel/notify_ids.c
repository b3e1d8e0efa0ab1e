/* SPDX-License-Identifier: MIT
 *
 * The notifications of one listener are numbered one after the other, from a random start. The guardian
 * leans on it: when the supervisor is dead, the numbers between the last one answered and the next one it
 * receives are the calls that nobody will answer otherwise.
 */
#include "tests/kernel/notify.h"

int main(void)
{
	enum {
		CALLS = 1000
	};
	struct seccomp_notif call;
	bool sequential = true;
	uint64_t previous = 0;
	int listener, status;
	pid_t caller;

	caller = notify_start_caller(CALLS, 42, &listener);
	for (int i = 0; i < CALLS; i++) {
		MUST(notify_receive(listener, &call) ? 0 : -1);
		sequential = sequential && (i == 0 || call.id == previous + 1);
		previous = call.id;
		MUST(-notify_answer(listener, call.id, 42));
	}
	MUST(waitpid(caller, &status, 0));
	FACT(sequential, "%d notifications: each id is the one before plus 1", CALLS);
	FACT(status == 0, "and each call returned what it was answered");
	return fact_done();
}
