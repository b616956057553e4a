/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_DESCRIPTORS_H
#define OPAMP_TRANSPORT_DESCRIPTORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

/* The descriptors a loop has in libwebsockets and curl, so that a forked child
 * can let go of them. The thread that drives the loop keeps the list; a child
 * may have been made in the middle of a change, by any other thread, and still
 * reads it. */

/* One place in the list. The inode tells whether the number still means what it
 * meant: libwebsockets says that a connection is gone after having closed it.
 */
typedef struct opamp__descriptor {
  struct opamp__descriptor *next_free;
  atomic_ullong inode;
  atomic_int fd; /* -1: none */
} opamp__descriptor;

typedef struct opamp__descriptor_block opamp__descriptor_block;

typedef struct opamp__descriptors {
  _Atomic(opamp__descriptor_block *) blocks;
  opamp__descriptor *free;
} opamp__descriptors;

/* A place for a descriptor that is still to come; NULL when out of memory. */
opamp__descriptor *opamp__descriptor_new(opamp__descriptors *list);
/* -1 when it did not come. */
void opamp__descriptor_set(opamp__descriptor *d, int fd);
/* Before the descriptor is closed, if possible. NULL is fine. */
void opamp__descriptor_free(opamp__descriptors *list, opamp__descriptor *d);
/* The place of `fd`, or NULL. */
opamp__descriptor *opamp__descriptors_find(const opamp__descriptors *list,
                                           int fd);
void opamp__descriptors_free(opamp__descriptors *list);

/* What has a number now: it may be another thread's. False when nothing has. */
bool opamp__descriptor_stat(int fd, struct stat *st);

/* In a forked child: puts something of its own that leads nowhere under each
 * number. False, and nothing done or only a part of it, when there are no
 * descriptors for that. */
bool opamp__descriptors_replace(opamp__descriptors *list);
/* In a forked child: closes each. */
void opamp__descriptors_close(opamp__descriptors *list);

#endif
