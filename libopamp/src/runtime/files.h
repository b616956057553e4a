/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_FILES_H
#define OPAMP_RUNTIME_FILES_H

#include "opamp/types.h"

/* A new file, made so that it is whole on the disk before anybody gives it the
 * name it is wanted under. Every result but a descriptor is 0 or an errno.
 *
 *   fd = opamp__file_create(dirfd, "x.tmp");
 *   error = opamp__file_write(fd, bytes);
 *   error = opamp__file_finish(fd, error);
 *   … renameat, opamp__file_sync(dirfd) */

/* Opens `name` in `dirfd` for writing, 0600 less the umask. It must not exist,
 * so that no link is followed. -1: see errno. */
int opamp__file_create(int dirfd, const char *name);

int opamp__file_write(int fd, opamp_bytes bytes);

/* Brings a file's content, or a directory's names, to the disk. */
int opamp__file_sync(int fd);

/* Unless there was an error already, brings it to the disk; closes it. The
 * first error is the result. */
int opamp__file_finish(int fd, int error);

#endif
