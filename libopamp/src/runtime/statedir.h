/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_STATEDIR_H
#define OPAMP_RUNTIME_STATEDIR_H

#include "base/buf.h"
#include "opamp/status.h"

/* A directory of named entries of bytes, of which each is at any instant, also
 * that of a kill -9 or a power cut, the last one saved or the one before.
 *
 * All entries are treated as secrets: 0600, in no memory that was freed, in no
 * text. One process at a time, and in it one opamp__statedir, has a directory.
 * Functions wait for the disk; one thread at a time. statefile.h says what a
 * file looks like, doc/state.md what an operator should know. */
typedef struct opamp__statedir opamp__statedir;

/* What happened while opening, loading, saving or erasing that somebody should
 * know: content set aside. Called from inside of these, OPAMP_LOG_…; `text` is
 * one line, never a secret, and valid until the function returns. */
typedef void (*opamp__statedir_note)(void *ctx, int level, const char *text);

/* Opens the directory `path` and locks it. When it is not there it is made,
 * 0700; its parents are not. A link is followed, as `path` is the operator's.
 * `note` may be NULL.
 *
 * OPAMP_ERR_INVALID: no path. OPAMP_ERR_IO, with the path and the reason: no
 * directory, of another user, one that others may write to or we may not, or
 * that cannot be locked. OPAMP_ERR_BUSY, with the process that has it.
 * OPAMP_ERR_NOMEM. */
opamp_status opamp__statedir_open(opamp__statedir **out, const char *path,
                                  opamp__statedir_note note, void *ctx);

/* Unlocks and frees; in a forked child the parent keeps its lock. NULL is fine.
 */
void opamp__statedir_close(opamp__statedir *s);

/* Appends the value of an entry to `out`, to be freed with
 * opamp__buf_wipe_free. After a failure `out` is as it was.
 *
 * OPAMP_ERR_NOTFOUND: there is none, or what is there cannot be used (damaged,
 * of a newer version, another entry's, a link, another user's); that was then
 * renamed to "<key>.bad-N", with a note. OPAMP_ERR_IO: it could not be read, or
 * not be renamed. OPAMP_ERR_NOMEM. OPAMP_ERR_INVALID: no key, which is
 * [a-z_]{1,40} but not "lock". */
opamp_status opamp__statedir_load(opamp__statedir *s, const char *key,
                                  opamp__buf *out);

/* OPAMP_OK only when it is on the disk; after a failure the old value stays.
 * (But when the disk fails to confirm the very last step, and cannot exchange
 * names, the new one is seen, like after a crash: NFS.)
 *
 * OPAMP_ERR_LIMIT: more than 80 MiB. OPAMP_ERR_IO, with the step, the file and
 * the reason. OPAMP_ERR_NOMEM. OPAMP_ERR_INVALID: no key. */
opamp_status opamp__statedir_save(opamp__statedir *s, const char *key,
                                  opamp_bytes value);

/* OPAMP_OK, also when there is none, only when it will not come back. What was
 * set aside stays. OPAMP_ERR_IO, OPAMP_ERR_INVALID. */
opamp_status opamp__statedir_erase(opamp__statedir *s, const char *key);

#endif
