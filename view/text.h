/* SPDX-License-Identifier: MIT
 *
 * States and numbers as people write them. Each returns a string: the caller's array, into which it
 * was written, or a static one.
 */
#ifndef BERTH_VIEW_TEXT_H
#define BERTH_VIEW_TEXT_H

#include <stdint.h>

#define VIEW_NUMBER_TEXT 28u

/* "28,232" */
const char *view_number_text(uint64_t number, char text[VIEW_NUMBER_TEXT]);

/* "0.4", "12", "1,234"; "-" if it is not known (NAN). */
const char *view_rate_text(double per_s, char text[VIEW_NUMBER_TEXT]);

/* "now", "12 s", "4 min", "3 h", "2 d"; "never" for infinity, "-" if it is not known (NAN). */
const char *view_duration_text(double seconds, char text[VIEW_NUMBER_TEXT]);

/* The name that ss prints: "ESTAB", "TIME-WAIT"; "UNKNOWN" for what is no state. Static. */
const char *view_state_name(unsigned state);

#endif
