/* SPDX-License-Identifier: MIT
 *
 * bench/core: lwIP's own choice of a port, by how full its range is. Debian's liblwip, linked as it is.
 *
 * Its tcp_new_port() can be called through tcp_bind() to port 0 only, which does little else: it compares the new port
 * with those of all its connections, in four lists, and puts the connection into one. Its range is 49152-65535. The ports
 * in use are taken at random, one connection each.
 */
#include "bench/core.h"

#define NAME "pick, lwIP's tcp_new_port()"

#if __has_include(<lwip/tcp.h>)

#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <stdbool.h>

#include "core/port_set.h"
#include "core/random.h"

#define LWIP_FIRST 0xc000u /* TCP_LOCAL_PORT_RANGE_START */
#define LWIP_PORTS 16384u

static struct tcp_pcb *new_pcb(void)
{
	struct tcp_pcb *pcb = tcp_new();

	if (pcb == NULL)
		core_fail("lwIP: no memory");
	return pcb;
}

/* Takes ports at random until percent of all are in use. */
static void fill(struct berth_random *random, struct berth_port_set *left, double percent)
{
	unsigned port;

	while (LWIP_PORTS - berth_port_set_count(left) < LWIP_PORTS * percent / 100) {
		berth_port_set_pick(left, random, &port);
		berth_port_set_remove(left, port);
		if (tcp_bind(new_pcb(), IP_ADDR_ANY, (uint16_t)port) != ERR_OK)
			core_fail("lwIP: a port could not be had");
	}
}

/* One pick: a connection is given a port, and out of the list again, where it is the first. */
static void pick(struct tcp_pcb *pcb, bool any_left)
{
	if ((tcp_bind(pcb, IP_ADDR_ANY, 0) == ERR_OK) != any_left)
		core_fail("lwIP: ports are not in use as they should be");
	if (!any_left)
		return;
	TCP_RMV(&tcp_bound_pcbs, pcb);
	pcb->local_port = 0;
}

static void time_picks(struct report *report, struct tcp_pcb *pcb, double percent)
{
	const struct report_row row = BY_FILL(NAME, "lwip", percent);
	double rounds[ROUNDS];

	for (unsigned r = 0; r < core_load->rounds; r++) {
		uint64_t begun = core_cpu_ns(), spent;
		unsigned picks = 0;

		do {
			unsigned batch = picks == 0 ? 1 : picks;

			for (unsigned i = 0; i < batch; i++)
				pick(pcb, percent < 100);
			picks += batch;
			spent = core_cpu_ns() - begun;
		} while (spent < core_load->least_ns);
		rounds[r] = (double)spent / picks;
	}
	core_report(report, &row, rounds);
}

void core_bench_lwip(struct report *report)
{
	const uint8_t key[BERTH_SEED_BYTES] = { 1 };
	static struct berth_port_set left;
	struct berth_random random;
	struct tcp_pcb *pcb;

	tcp_init();
	pcb = new_pcb();
	berth_random_seed(&random, key);
	berth_port_set_add_range(&left, LWIP_FIRST, LWIP_FIRST + LWIP_PORTS - 1);
	for (unsigned i = 0; i < FILLS && core_fills[i] <= core_load->lwip_fill; i++) {
		fill(&random, &left, core_fills[i]);
		time_picks(report, pcb, core_fills[i]);
	}
	tcp_close(pcb);
}

#else

void core_bench_lwip(struct report *report)
{
	const struct report_row row = { .name = NAME,
					.side = "lwip",
					.fill = NAN,
					.count = NAN,
					.median = NAN,
					.least = NAN,
					.greatest = NAN,
					.unit = "ns",
					.note = "not measured: bench/core was built without liblwip-dev" };

	report_add(report, &row);
}

#endif
