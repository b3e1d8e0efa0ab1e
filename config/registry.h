/* SPDX-License-Identifier: MIT
 *
 * Reads what an administrator exported from the registry of Windows: a .reg file, "Windows Registry Editor
 * Version 5.00" (UTF-16LE, or 8-bit as some tools save it) or REGEDIT4 (8-bit).
 *
 * Of it, the key HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters is read, or the
 * same in ControlSet001, which is what CurrentControlSet mostly stands for. As when Windows imports the
 * file, upper and lower case are alike, the last of several values wins, and deleting a value or a key
 * forgets what came before.
 */
#ifndef BERTH_CONFIG_REGISTRY_H
#define BERTH_CONFIG_REGISTRY_H

#include "config/config.h"

/* A file with more values that are not taken over is refused. */
#define REGISTRY_NOTES 1000u

/* A value of the file that was not taken over. Both texts are printable ASCII. */
struct registry_note {
	unsigned line;
	char name[64];	  /* of the value, "@" for the default one, or of the key; shortened with "..." */
	char reason[100]; /* why not, and where the same is set on Linux, if it is */
};

/* What a file came to. */
struct registry_import {
	struct config config;
	unsigned note_count;
	struct registry_note note[REGISTRY_NOTES];
};

/* Reads the bytes of a .reg file. False and *ret_fault as config_read(); *import is then undefined. */
bool registry_read(const char *bytes, size_t size, struct registry_import *import,
		   struct config_fault *ret_fault);

#endif
