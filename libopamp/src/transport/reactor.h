/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_REACTOR_H
#define OPAMP_TRANSPORT_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

/* What a transport may ask of the loop it runs on. The runtime implements it
 * (runtime/reactor_uv.c); a transport never waits, reads no clock and owns no
 * loop. All callbacks run in the thread that drives the loop. */

typedef struct opamp__reactor opamp__reactor;
typedef struct opamp__watch opamp__watch;
typedef struct opamp__timer opamp__timer;

enum { OPAMP__READABLE = 1, OPAMP__WRITABLE = 2 };

typedef void (*opamp__io_cb)(void *ctx, int fd, unsigned ready);
typedef void (*opamp__timer_cb)(void *ctx);

/* Watches `fd` for `events` (OPAMP__READABLE | OPAMP__WRITABLE) until
 * unwatched; set changes the events. NULL when out of memory. */
opamp__watch *opamp__reactor_watch(opamp__reactor *r, int fd, unsigned events,
                                   opamp__io_cb cb, void *ctx);
void opamp__watch_set(opamp__watch *w, unsigned events);
void opamp__unwatch(opamp__watch *w);

/* A one-shot timer; set arms it anew, -1 disarms it. Only for what curl and
 * libwebsockets insist on, and for trying addresses in turn (dial): deadlines
 * of the protocol are the core's. */
opamp__timer *opamp__reactor_timer(opamp__reactor *r, opamp__timer_cb cb,
                                   void *ctx);
void opamp__timer_set(opamp__timer *t, int64_t in_ms);
void opamp__timer_free(opamp__timer *t);

/* Any thread: wakes the loop, which then runs every registered `cb` of
 * opamp__reactor_on_wake. */
void opamp__reactor_wake(opamp__reactor *r);
bool opamp__reactor_on_wake(opamp__reactor *r, opamp__timer_cb cb, void *ctx);
void opamp__reactor_off_wake(opamp__reactor *r, opamp__timer_cb cb, void *ctx);

/* Some of the caller's writes to sockets can raise SIGPIPE: from now on, until
 * the reactor is freed, none does. Costs system calls in every step, which who
 * writes with MSG_NOSIGNAL saves. */
void opamp__reactor_no_sigpipe(opamp__reactor *r);

/* The uv_loop_t, for libwebsockets' foreign loop and nothing else. */
void *opamp__reactor_uv_loop(opamp__reactor *r);
/* The descriptor of a poll handle that libwebsockets has in the loop, -1 when
 * there is none. */
int opamp__reactor_foreign_fd(opamp__reactor *r);
/* When the handle of that descriptor, which is being closed, has been: calls `cb`
 * in place of what libwebsockets does then, and opamp__reactor_foreign_close does
 * that. False, and no call, when it is not being closed. */
bool opamp__reactor_on_foreign_close(opamp__reactor *r, opamp__timer_cb cb,
                                     void *ctx);
void opamp__reactor_foreign_close(opamp__reactor *r);
/* Instead of that: takes all that libwebsockets has in the loop out of it, and
 * returns the handle, which nobody frees. Everything stays as it is. */
void *opamp__reactor_leave_foreign(opamp__reactor *r);
/* Closes the poll handle with this data that libwebsockets has forgotten in the
 * loop; nothing when there is none. */
void opamp__reactor_close_foreign(opamp__reactor *r, const void *data);

#endif
