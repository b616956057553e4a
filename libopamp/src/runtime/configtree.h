/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_CONFIGTREE_H
#define OPAMP_RUNTIME_CONFIGTREE_H

#include <sys/stat.h>

#include "opamp/message.h"

/* A tree of configuration files below a directory descriptor: written from an
 * AgentConfigMap, read into one, removed. Knows nothing of old and new sets.
 *
 * Every step goes from one folder's descriptor to the next and follows no link
 * on its way, so that a link in the tree leads nobody out of it. */

/* How what is written shall look. */
typedef struct opamp__tree_style {
  int like;    /* the tree it replaces: same path, same permissions */
  mode_t mode; /* of a file that replaces none; a folder's has x as well */
} opamp__tree_style;

/* Writes all objects of `map`, whose names have been checked, into the empty
 * directory `dirfd`, gives it the permissions of `style->like`, and brings
 * everything to the disk. */
opamp_status opamp__tree_write(int dirfd, const opamp_msg *map,
                               const opamp__tree_style *style);

/* Adds every file below `dirfd` to `map`. */
opamp_status opamp__tree_read(int dirfd, opamp_msg *map);

/* Removes `name` in `dirfd`, a directory with all below it, but nothing that
 * is mounted there. OPAMP_OK when it does not exist. */
opamp_status opamp__tree_remove(int dirfd, const char *name);

#endif
