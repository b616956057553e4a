/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_CONFIGNAMES_H
#define OPAMP_RUNTIME_CONFIGNAMES_H

#include <stdbool.h>

#include "opamp/status.h"
#include "opamp/types.h"

/* The names of configuration objects as the paths of files. */

/* The path below the directory for an object's name, "config" for the empty
 * one; OPAMP_ERR_INVALID, saying what is wrong with it. Borrowed from `name`.
 */
opamp_status opamp__name_path(opamp_str name, const char **out);

/* Whether the whole of `path` is what a pattern of opamp_configdir_allow
 * describes. */
bool opamp__name_matches(const char *pattern, const char *path);

/* OPAMP_ERR_INVALID with the name, as far as it can be shown, and `why`. */
opamp_status opamp__name_refuse(opamp_str name, const char *why);

/* "what <name>: <text of errno>" as OPAMP_ERR_IO. */
opamp_status opamp__name_fail(int error, const char *what, const char *name);

#endif
