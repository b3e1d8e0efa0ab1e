/* SPDX-License-Identifier: MIT
 *
 * Addresses and endpoints as people write them. IPv4 is written as such, also where it is v4-mapped.
 */
#ifndef BERTH_HOST_ADDRESS_TEXT_H
#define BERTH_HOST_ADDRESS_TEXT_H

#include <stdbool.h>

#include "core/address.h"

/* "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" */
#define ENDPOINT_TEXT 56u

/* "192.0.2.1", "2001:db8::1". Returns text. */
const char *address_text(const struct berth_address *address, char text[ENDPOINT_TEXT]);

/* "192.0.2.1:443", "[2001:db8::1]:443". Returns text. */
const char *endpoint_text(const struct berth_endpoint *endpoint, char text[ENDPOINT_TEXT]);

/* Reads the whole text, IPv6 without brackets. False, and *ret_address untouched, if it is no address. */
bool address_from_text(const char *text, struct berth_address *ret_address);

#endif
