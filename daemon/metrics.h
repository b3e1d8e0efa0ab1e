/* SPDX-License-Identifier: MIT
 *
 * /metrics: the port space in Prometheus's text format, version 0.0.4.
 *
 * Label sets are bounded: the fullest METRICS_DESTINATIONS destinations have samples of their own, the rest is summed;
 * addresses are at most REPORT_ADDRESSES; every other label is a word of a fixed list.
 */
#ifndef BERTH_DAEMON_METRICS_H
#define BERTH_DAEMON_METRICS_H

#include <stdio.h>

#include "daemon/pinned.h"
#include "daemon/recent_look.h"

#define METRICS_TYPE	     "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_DESTINATIONS 20u

/* Writes them all. pinned was refreshed. 0 or -ENOMEM. */
int metrics_write(FILE *out, const struct recent_look *look, const struct pinned_reader *pinned);

#endif
