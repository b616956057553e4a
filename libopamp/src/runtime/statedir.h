/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_STATEDIR_H
#define OPAMP_RUNTIME_STATEDIR_H

#include "base/buf.h"
#include "opamp/status.h"
#include "opamp/types.h"

/* A directory that keeps named entries of bytes, each in a file of its own that
 * is only ever replaced whole. */
typedef struct opamp__statedir opamp__statedir;

/* What somebody should know: content that was set aside. One line, never a
 * secret. Called from inside open and load. */
typedef void (*opamp__statedir_note)(void *ctx, int level, const char *text);

/* Makes the directory (0700; not its parents) when it is missing, and locks it.
 * OPAMP_ERR_IO with path and reason; OPAMP_ERR_BUSY naming the process that has
 * it; OPAMP_ERR_NOMEM. */
opamp_status opamp__statedir_open(opamp__statedir **out, const char *path,
                                  opamp__statedir_note note, void *ctx);
/* Unlocks. NULL is fine. */
void opamp__statedir_close(opamp__statedir *s);

/* Appends the entry to `out`. OPAMP_ERR_NOTFOUND when there is none, also when
 * what is there cannot be used and was set aside; OPAMP_ERR_IO when it is there
 * and cannot be read. */
opamp_status opamp__statedir_load(opamp__statedir *s, const char *key,
                                  opamp__buf *out);
/* Afterwards the entry is the old one or the new one, whatever happens;
 * OPAMP_OK: the new one, for good. */
opamp_status opamp__statedir_save(opamp__statedir *s, const char *key,
                                  opamp_bytes value);
/* OPAMP_OK when there is none. */
opamp_status opamp__statedir_erase(opamp__statedir *s, const char *key);

#endif
