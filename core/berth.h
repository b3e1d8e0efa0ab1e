/* SPDX-License-Identifier: MIT
 *
 * libberth: gives TCP connections their local ports. All public headers, each after what it needs: the
 * installed berth.h is these files in this order.
 */
#ifndef BERTH_H
#define BERTH_H

/* clang-format off */
#include "core/address.h"
#include "core/random.h"
#include "core/settings.h"
#include "core/port_set.h"
#include "core/destinations.h"
#include "core/time_wait.h"
#include "core/segment.h"
#include "core/port_space.h"
/* clang-format on */

#endif
