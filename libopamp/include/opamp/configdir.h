/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CONFIGDIR_H
#define OPAMP_CONFIGDIR_H

#include "opamp/message.h"
#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * A directory that shows the files of a configuration offer.
 *
 * The files are replaced as a set: at any instant, and after a crash at any
 * instant, the directory holds the old set or the new one. The set that worked
 * last is kept until a newer one is declared good.
 *
 * @verbatim
 *   opamp_configdir_replace    the new files are in place
 *   … try them …
 *   opamp_configdir_commit     they are good; or
 *   opamp_configdir_rollback   the files that worked last are back
 * @endverbatim
 *
 * What the directory holds when it is opened for the first time is the first
 * good set, and is never deleted: it ends up in `original` (see below).
 *
 * Configurations hold secrets, so what an offer brings is private: see
 * opamp_configdir_set_file_mode(). An offer cannot reach anything outside of DIR,
 * whatever its names are and whatever links DIR holds: it is written into a new
 * directory, and no link is followed on the way.
 *
 * On disk, DIR is an ordinary directory that is exchanged for another one by a
 * single system call (renameat2, RENAME_EXCHANGE). Beside it lies the directory
 * `.<name of DIR>.opamp`: `good` is the set to go back to, `next` one that is
 * being written, `original` the first one of all, `state` names the good one,
 * `lock` keeps a second process out. Only the user may write to it. Therefore
 * the parent of DIR must be writable, and DIR must not be a mount point (nor a
 * lower directory of an overlay, which replacing it will tell). Programs that
 * keep DIR open, or that have it as their working directory, stay with the set
 * they opened.
 *
 * Not bound to a loop or a client. One thread at a time per object; may be used
 * in any callback; every function reads or writes files and may wait for the
 * disk. A forked child may free its copy and nothing else. */

#ifdef __cplusplus
extern "C" {
#endif

/** Such a directory, opened by this process. */
typedef struct opamp_configdir opamp_configdir;

/** Opens `dir`, which is made, for the user alone (0700), when it does not exist
 * (its parent must), and settles what a crash left behind. Free it with
 * opamp_configdir_free().
 * @retval OPAMP_ERR_IO    not a directory, not writable, a mount point, …:
 *                         opamp_errmsg() says which
 * @retval OPAMP_ERR_BUSY  another process, or another object of this one, has
 *                         it open
 * @retval OPAMP_ERR_NOMEM
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_configdir_open(opamp_configdir **out,
                                            const char *dir);

/** Closes; the files stay as they are. NULL is fine.
 * @threads one at a time; callbacks too; in a forked child, too */
OPAMP_API void opamp_configdir_free(opamp_configdir *d);

/** The absolute path of the directory, symbolic links resolved. Borrowed; NULL
 * for a bad handle.
 * @threads one at a time; callbacks too */
OPAMP_API const char *opamp_configdir_path(const opamp_configdir *d);

/** Allows the names that `pattern` describes, besides those of the calls before.
 * Without any call every name is allowed that opamp_configdir_replace can take;
 * after the first one an offer with any other name is refused whole. In a
 * pattern `*` stands for any text without a slash, `**` for any text, `?` for
 * one character but the slash, everything else for itself, in this case of
 * letters; it has to fit the whole name: "*.yaml" allows "a.yaml" and not
 * "conf.d/a.yaml", which "conf.d/?*.yaml" and "**.yaml" do. The empty name is
 * "config" here as well. The pattern is copied. What is shown already is not
 * looked at.
 * @retval OPAMP_ERR_INVALID  NULL, empty, or absolute; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_allow(opamp_configdir *d,
                                             const char *pattern);

/** The permissions of files that replace none (0600), from now on. A new
 * sub-folder has the same and may be searched by those who may read it: 0640
 * makes it 0750. Owner and group are those of DIR, as far as the process may
 * give files away; a group that cannot be had has no rights either.
 * @retval OPAMP_ERR_INVALID  without 0600, or other bits than 0666; a bad handle
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_set_file_mode(opamp_configdir *d,
                                                     uint32_t mode);

/** Shows the files of `m`, an AgentRemoteConfig or an AgentConfigMap, and
 * nothing else. Names may have sub-folders ("conf.d/a.yaml"); the empty name
 * becomes "config". A file or sub-folder keeps the owner and the permissions of
 * the one it replaces, a link excepted, and so does DIR; folders can always be
 * written to by their owner.
 * After an error the directory is as it was.
 * @spec{Configuration Files}
 * @retval OPAMP_ERR_INVALID  naming the object: an absolute name, a component
 *                            that is empty, "." or "..", a NUL, more than 255
 *                            bytes in a component or 64 components, a path that
 *                            is too long, two objects in one place, a name that
 *                            is not allowed; or a bad handle
 * @retval OPAMP_ERR_IO       naming the file, and why
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_replace(opamp_configdir *d,
                                               const opamp_msg *m);

/** Declares the set that is shown good. OPAMP_OK when it is already.
 * @retval OPAMP_ERR_IO       it is shown, but is not the good one after a crash
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_commit(opamp_configdir *d);

/** Shows the good set again. OPAMP_OK when it is shown already.
 * @retval OPAMP_ERR_IO       the directory is as it was
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_rollback(opamp_configdir *d);

/** Whether the set that is shown is the good one. After a crash it may not be:
 * between _replace and _commit the new files stay in place. So ask after
 * opening, and try them, or roll back. False for a bad handle.
 * @threads one at a time; callbacks too */
OPAMP_API bool opamp_configdir_is_good(const opamp_configdir *d);

/** The files that are there now, whoever wrote them, as an EffectiveConfig that
 * the caller frees with opamp_msg_free. Links to files are followed when they
 * belong to the user or to root, links to directories are not; what is no
 * regular file, or has a name that is not UTF-8, is left out.
 * @spec{EffectiveConfig Message}
 * @retval OPAMP_ERR_LIMIT    over 64 MiB, 10,000 files or 64 sub-folders deep
 * @retval OPAMP_ERR_IO       naming the file, and why
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_configdir_read(opamp_configdir *d,
                                            opamp_msg **out);

#ifdef __cplusplus
}
#endif
#endif
