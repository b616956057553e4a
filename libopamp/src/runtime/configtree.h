/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_CONFIGTREE_H
#define OPAMP_RUNTIME_CONFIGTREE_H

#include <sys/stat.h>

#include "opamp/message.h"

/* A tree of configuration files below a directory descriptor: written from an
 * AgentConfigMap, read into one, removed. Knows nothing of old and new sets. */

/* The path below the directory for an object's name, "config" for the empty
 * one; OPAMP_ERR_INVALID, saying what is wrong with it. Borrowed from `name`.
 */
opamp_status opamp__tree_path(opamp_str name, const char **out);

/* Writes all objects of `map` into the empty directory `dirfd`, and everything
 * to the disk. A file takes its permissions from the one of the same path
 * below `like` (-1: there is none). */
opamp_status opamp__tree_write(int dirfd, const opamp_msg *map, int like);

/* Adds every file below `dirfd` to `map`. */
opamp_status opamp__tree_read(int dirfd, opamp_msg *map);

/* Removes `name` in `dirfd`, a directory with all below it. OPAMP_OK when it
 * does not exist. */
opamp_status opamp__tree_remove(int dirfd, const char *name);

/* Gives `fd` the owner, as far as allowed, and the permissions of `st`. 0 or
 * errno. */
int opamp__tree_permit(int fd, const struct stat *st);

/* "what <name>: <text of errno>" as OPAMP_ERR_IO. */
opamp_status opamp__tree_fail(int error, const char *what, const char *name);

#endif
