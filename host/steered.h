/* SPDX-License-Identifier: MIT
 *
 * Does the kernel steer the caller already?
 */
#ifndef BERTH_HOST_STEERED_H
#define BERTH_HOST_STEERED_H

#include <stdbool.h>

/* True if kernel mode (bpf/berth.bpf.c), whoever attached it and to whichever cgroup above the caller's, gives the caller's
 * connections their ports.
 *
 * This is seen from what it does: a socket that it has chosen a port for has SO_REUSEADDR set, which the kernel by
 * itself never does. So any user can ask, in any container and network namespace, also one that is left alone; to ask
 * which programs a cgroup has takes CAP_NET_ADMIN (BPF_PROG_QUERY), and whose they are CAP_SYS_ADMIN.
 *
 * It is tried with a connect() to the broadcast address, which TCP refuses after the hook has run and before a port is
 * taken or a packet sent (tcp_v4_connect(): ENETUNREACH). */
bool steered_by_kernel(void);

#endif
