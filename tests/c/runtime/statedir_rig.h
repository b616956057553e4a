/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_STATEDIR_RIG_H
#define OPAMP_TESTS_STATEDIR_RIG_H

#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "harness.h"
#include "opamp/typed.h"
#include "place.h"
#include "runtime/statedir.h"

/* What the tests of runtime/statedir.h share. Functions that return text
 * return it in a buffer of their own. */

/* A new place without the directory "state" in it, and no notes. */
void rig_fresh(void);

/* What was noted since, a line each; all of it is warnings. */
extern char rig_notes[2000];
void rig_note(void *ctx, int level, const char *text);

opamp__statedir *rig_open(void);
opamp_status rig_try(const char *name); /* opens and closes `name` */

opamp_status rig_save(opamp__statedir *s, const char *key, const char *text);
/* The value of an entry, "(none)", or what went wrong. */
const char *rig_load(opamp__statedir *s, const char *key);

/* The file `name` in the directory: its bytes; replaced by others; its mode. */
size_t rig_bytes(const char *name, uint8_t *bytes, size_t room);
void rig_put(const char *name, const void *bytes, size_t n);
mode_t rig_mode(const char *name);
/* A path in the directory. */
const char *rig_path(const char *name);

/* The names in the directory, sorted, each with a space behind it, but "lock". */
const char *rig_names(void);

/* Whether the last error, or a text, has this in it. */
void rig_says(const char *got, const char *part);

#endif
