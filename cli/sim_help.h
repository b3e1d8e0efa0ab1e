/* SPDX-License-Identifier: MIT
 *
 * What --help prints.
 */
#ifndef BERTH_CLI_SIM_HELP_H
#define BERTH_CLI_SIM_HELP_H

extern const char sim_help[];
extern const char replay_help[];

#endif
