/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_WAIT_H
#define OPAMP_AGENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* What the program waits for: descriptors and points in time. The nodes are
 * parts of the things that wait; a node that is zero is not in use. */

typedef void (*wait_cb)(void *user_data);

typedef struct wait_fd {
  struct wait_fd *next;
  int fd;
  wait_cb ready; /* NULL: not in use */
  void *user_data;
} wait_fd;

typedef struct wait_timer {
  struct wait_timer *next;
  int64_t at_ms;
  wait_cb due; /* NULL: not in use */
  void *user_data;
} wait_timer;

typedef struct waits {
  wait_fd *fds;
  wait_timer *timers;
} waits;

/* Monotonic milliseconds. */
int64_t wait_now_ms(void);

/* `ready` is called whenever `fd` is readable or at its end. */
void wait_add(waits *w, wait_fd *n, int fd, wait_cb ready, void *user_data);
void wait_remove(waits *w, wait_fd *n);

/* `due` is called once, in `ms`; a timer that runs is set anew. */
void wait_in(waits *w, wait_timer *n, uint64_t ms, wait_cb due,
             void *user_data);
void wait_cancel(waits *w, wait_timer *n);

/* Waits for one of them, `timeout_ms` (-1 without end) at the most, and calls
 * back. A callback may add and remove any. False when waiting failed. */
bool wait_once(waits *w, int timeout_ms);

#endif
