/* SPDX-License-Identifier: MIT
 *
 * What the caller may do (man 7 capabilities).
 */
#ifndef BERTH_HOST_CAPABILITY_H
#define BERTH_HOST_CAPABILITY_H

#include <linux/capability.h>
#include <stdbool.h>

/* Is it in the effective set? The number is one such as CAP_BPF. */
bool capability_held(unsigned capability);

#endif
