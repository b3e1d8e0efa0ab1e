/* SPDX-License-Identifier: MIT
 *
 * What the BPF iterators of bpf/port_owners.h write: one record for each socket that is on a port.
 */
#ifndef BERTH_WIRE_PORT_OWNER_H
#define BERTH_WIRE_PORT_OWNER_H

#include <linux/types.h>

/* The ports are written in stretches of so many, each whole within one read() that has room for WIRE_STRETCH_BYTES: the
 * kernel's own buffer for one step of an iterator (kernel/bpf/bpf_iter.c, bpf_seq_read). */
#define WIRE_STRETCH_PORTS  4
#define WIRE_STRETCHES	    (65536 / WIRE_STRETCH_PORTS)
#define WIRE_STRETCH_BYTES  32768
#define WIRE_STRETCH_OWNERS 720 /* at most, and a closing record for each port */
#define WIRE_PORT_OWNERS    360 /* of one port at most: a server's port leaves room for those beside it */

/* In `state`, beside the states of netinet/tcp.h: bound, and nothing else; and what closes the records of some ports. */
#define WIRE_OWNER_BOUND 13
#define WIRE_OWNER_LISTENERS \
	128 /* somebody listens: whoever else is on the port is to be dropped, `number` connections */
#define WIRE_OWNER_UNSURE 129 /* who is on the port is not known: what was written is to be dropped */

/* Host byte order but for the addresses, where IPv4 is in its mapped form. */
struct wire_port_owner {
	__u32 local_be[4], remote_be[4];
	__u32 number; /* TIME_WAIT, or what is left of a FIN_WAIT_2: jiffies until it ends; see above */
	__u16 local_port, remote_port;
	__u8 state;
	__u8 pad[3];
};
_Static_assert(sizeof(struct wire_port_owner) == 44, "no hidden padding");
_Static_assert(WIRE_STRETCH_BYTES / sizeof(struct wire_port_owner) >=
		       WIRE_STRETCH_OWNERS + WIRE_STRETCH_PORTS,
	       "a stretch fits");

#endif
