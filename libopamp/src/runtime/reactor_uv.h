/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_REACTOR_UV_H
#define OPAMP_RUNTIME_REACTOR_UV_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "opamp/status.h"
#include "transport/reactor.h"

/* The reactor on libuv, as the runtime makes, drives and frees it. One thread
 * at a time; opamp__reactor_wake alone may be called from any. */

opamp_status opamp__reactor_new(opamp__reactor **out);

/* Closes every handle that is left and frees the reactor. False, and nothing
 * freed, when handles of someone else (a transport that is not idle) keep the
 * loop busy. NULL is fine. */
bool opamp__reactor_free(opamp__reactor *r);

/* In a forked child: gives the reactor descriptors of its own. False when there
 * are none. */
bool opamp__reactor_fork(opamp__reactor *r);
/* In a forked child that must touch nothing of it: closes the descriptors. */
void opamp__reactor_close_descriptors(opamp__reactor *r);

/* Asked before every wait: in how many ms its driver wants to go on at the
 * latest, 0 now, -1 when nothing is planned. NULL: never. */
typedef int64_t (*opamp__until_cb)(void *ctx);
void opamp__reactor_on_wait(opamp__reactor *r, opamp__until_cb cb, void *ctx);

/* Runs what is due; step then waits until there is more, at most timeout_ms
 * (-1: no limit), and runs that. A run that finds nothing makes one system
 * call, and so does a step. */
void opamp__reactor_run(opamp__reactor *r);
void opamp__reactor_step(opamp__reactor *r, int64_t timeout_ms);

/* For a foreign loop: readable when there is something to run; and in how many
 * ms there is (0 now, -1 only when the descriptor is readable). */
int opamp__reactor_fd(const opamp__reactor *r);
int opamp__reactor_timeout(const opamp__reactor *r);

/* Between hold and release a write to a dead socket raises no SIGPIPE in this
 * thread, whatever the process does with that signal. */
typedef struct opamp__sigpipe {
  sigset_t old;
} opamp__sigpipe;
void opamp__sigpipe_hold(opamp__sigpipe *s);
void opamp__sigpipe_release(const opamp__sigpipe *s);

/* The same around transports, and only when one of them has asked for it
 * (opamp__reactor_no_sigpipe). May be nested; run and step do it themselves,
 * whoever calls a transport outside of them does too. */
void opamp__reactor_enter(opamp__reactor *r);
void opamp__reactor_leave(opamp__reactor *r);

#endif
