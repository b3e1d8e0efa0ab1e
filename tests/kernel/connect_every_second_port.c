/* SPDX-License-Identifier: MIT
 *
 * connect() without a port looks for one among those that are as even or odd as the first of the range, and only when
 * none of them is left among the others; one after the other. `berth explain` says from this how long a search is.
 */
#include "tests/kernel/fact.h"

#define FIRST 40501u
#define PORTS 100u

int main(void)
{
	unsigned as_first[2] = { 0 };
	char range[32];

	fact_enter_namespace();
	fact_listener(5001);
	snprintf(range, sizeof(range), "%u %u", FIRST, FIRST + PORTS - 1);
	fact_sysctl("ip_local_port_range", range);
	for (unsigned i = 0; i < PORTS; i++) {
		int fd = fact_socket();

		MUST(-fact_connect(fd, 5001));
		as_first[i >= PORTS / 2] += fact_local_port(fd) % 2 == FIRST % 2;
	}
	FACT(as_first[0] == PORTS / 2, "half of the range is given out: all of them odd, as the first");
	FACT(as_first[1] == 0, "then the even ones");
	return fact_done();
}
