/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum { BLOCK = 32 };

struct opamp__descriptor_block {
  opamp__descriptor_block *next;
  opamp__descriptor list[BLOCK];
};

/* Not fstat, which ThreadSanitizer takes for an access of what another thread
 * may have there. */
bool opamp__descriptor_stat(int fd, struct stat *st) {
  return fd >= 0 && fstatat(fd, "", st, AT_EMPTY_PATH) == 0;
}

/* --- the thread that drives ----------------------------------------------- */

static bool grow(opamp__descriptors *list) {
  opamp__descriptor_block *b =
      (opamp__descriptor_block *)opamp__calloc(1, sizeof *b);
  if (b == NULL) return false;
  for (int i = 0; i < BLOCK; i++) {
    atomic_init(&b->list[i].fd, -1);
    b->list[i].next_free = list->free;
    list->free = &b->list[i];
  }
  b->next = atomic_load(&list->blocks);
  atomic_store(&list->blocks, b);
  return true;
}

opamp__descriptor *opamp__descriptor_new(opamp__descriptors *list) {
  if (list->free == NULL && !grow(list)) return NULL;
  opamp__descriptor *d = list->free;
  list->free = d->next_free;
  return d;
}

void opamp__descriptor_set(opamp__descriptor *d, int fd) {
  struct stat st;
  atomic_store(&d->fd, -1);
  if (!opamp__descriptor_stat(fd, &st)) return;
  atomic_store(&d->inode, st.st_ino);
  atomic_store(&d->fd, fd);
}

void opamp__descriptor_free(opamp__descriptors *list, opamp__descriptor *d) {
  if (d == NULL) return;
  atomic_store(&d->fd, -1);
  d->next_free = list->free;
  list->free = d;
}

opamp__descriptor *opamp__descriptors_find(const opamp__descriptors *list,
                                           int fd) {
  opamp__descriptor_block *b = atomic_load(&list->blocks);
  for (; b != NULL; b = b->next)
    for (int i = 0; i < BLOCK; i++)
      if (atomic_load(&b->list[i].fd) == fd) return &b->list[i];
  return NULL;
}

void opamp__descriptors_free(opamp__descriptors *list) {
  opamp__descriptor_block *b = atomic_load(&list->blocks);
  atomic_store(&list->blocks, NULL);
  list->free = NULL;
  while (b != NULL) {
    opamp__descriptor_block *next = b->next;
    opamp__free(b);
    b = next;
  }
}

/* --- a forked child ------------------------------------------------------- */

/* The number, -1 when it is none or another's by now. */
static int still_ours(const opamp__descriptor *d, struct stat *st) {
  int fd = atomic_load(&d->fd);
  if (!opamp__descriptor_stat(fd, st)) return -1;
  return st->st_ino == atomic_load(&d->inode) ? fd : -1;
}

static bool replace(opamp__descriptor *d, int socket, int event) {
  struct stat st;
  int fd = still_ours(d, &st), got;
  if (fd < 0 || S_ISCHR(st.st_mode)) return true; /* of use to nobody */
  do {
    got = dup3(S_ISSOCK(st.st_mode) ? socket : event, fd, O_CLOEXEC);
  } while (got < 0 && (errno == EINTR || errno == EBUSY));
  if (got < 0) return false;
  opamp__descriptor_set(d, fd);
  return true;
}

bool opamp__descriptors_replace(opamp__descriptors *list) {
  opamp__descriptor_block *b = atomic_load(&list->blocks);
  int pair[2] = {-1, -1};
  /* libwebsockets wakes itself up by an eventfd, and reads it as one. */
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  bool ok = event >= 0 &&
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       pair) == 0;
  for (; ok && b != NULL; b = b->next)
    for (int i = 0; ok && i < BLOCK; i++)
      ok = replace(&b->list[i], pair[0], event);
  if (event >= 0) close(event);
  if (pair[0] >= 0) close(pair[0]);
  if (pair[1] >= 0) close(pair[1]);
  return ok;
}

void opamp__descriptors_close(opamp__descriptors *list) {
  opamp__descriptor_block *b = atomic_load(&list->blocks);
  struct stat st;
  for (; b != NULL; b = b->next)
    for (int i = 0; i < BLOCK; i++) {
      int fd = still_ours(&b->list[i], &st);
      atomic_store(&b->list[i].fd, -1);
      if (fd >= 0) close(fd);
    }
}
