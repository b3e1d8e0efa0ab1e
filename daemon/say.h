/* SPDX-License-Identifier: MIT
 *
 * What the daemon says: lines on stderr, which the service manager puts into the journal.
 */
#ifndef BERTH_DAEMON_SAY_H
#define BERTH_DAEMON_SAY_H

/* One line, "berth daemon: " and the text, which has no newline. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
