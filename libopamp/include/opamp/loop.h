/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_LOOP_H
#define OPAMP_LOOP_H

#include "opamp/event.h"
#include "opamp/status.h"
#include "opamp/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A loop does the work of any number of clients: it moves bytes, keeps their
 * deadlines and queues their events. A client made without a loop gets one of
 * its own (opamp_client_loop).
 *
 * It is driven in one of three ways:
 *   by the caller      opamp_loop_poll(loop, timeout_ms), no thread;
 *   by a foreign loop  watch opamp_loop_fd for reading, wake up after
 *                      opamp_loop_timeout_ms at the latest, and then call
 *                      opamp_loop_poll(loop, 0), which never waits, and ask for
 *                      the timeout again. What is set elsewhere makes the
 *                      descriptor readable;
 *   by its own thread  opamp_loop_start_thread.
 *
 * Events are taken with opamp_loop_next_event, or handed to the callbacks of
 * their clients by opamp_loop_poll and opamp_loop_dispatch. Take one of the two
 * ways for a loop: a client with callbacks gets its events there, and
 * next_event gives those of all others.
 *
 * Threads: one thread at a time may drive a loop (OPAMP_ERR_BUSY otherwise).
 * opamp_loop_wake may be called from any thread. Events are taken by one thread
 * at a time. */

/* A new loop for up to `max_connections` connections at once (0: 64). Free with
 * opamp_loop_free. OPAMP_ERR_NOMEM; OPAMP_ERR_IO when there are no descriptors.
 * When libwebsockets lacks its libuv plugin, connecting a WebSocket fails with
 * OPAMP_ERR_UNSUPPORTED, and the event's text names the package to install. */
OPAMP_API opamp_status opamp_loop_new(opamp_loop **out,
                                      uint32_t max_connections);

/* Frees a loop: stops its thread, and frees with it what clients it still has,
 * without telling their servers. Inside a callback, or while another thread is
 * in opamp_loop_poll, it takes effect when that has returned. In a forked child
 * nothing is freed. NULL is fine. */
OPAMP_API void opamp_loop_free(opamp_loop *l);

/* For a forked child, which has no use for the loops of its parent but has all
 * their descriptors, and so would keep connections open that the parent closed:
 * closes them. Not a byte is sent, and the parent's connections, epoll and
 * descriptors that wake it up stay as they are. In the process that made the
 * loop this does nothing; NULL is fine.
 *
 * The memory is freed, too, clients included, unless it was in use when the
 * child was made: by a thread of the loop, by another thread inside one of its
 * functions, or because this thread was inside opamp_loop_poll, that is, in a
 * callback. Then it is left alone.
 *
 * Call it once for a loop, with no other thread in the child using it. After it
 * neither the loop nor its clients may be used or freed; what was made from
 * them and is still held (events, messages) is freed as always. Before it, in a
 * child, opamp_client_free and opamp_loop_free do nothing and everything else
 * is OPAMP_ERR_FORKED. After or without it the child makes loops of its own as
 * it likes. A callback that forks may return in the child: opamp_loop_poll and
 * opamp_loop_dispatch then return OPAMP_ERR_FORKED at once. */
OPAMP_API void opamp_loop_abandon(opamp_loop *l);

/* --- driving -------------------------------------------------------------- */

/* Does what is due, waits up to `timeout_ms` (0: not at all, -1: without end)
 * for something to happen, and runs the callbacks of the events there are.
 * Returns at once when events wait. The result is the number of events that
 * wait for opamp_loop_next_event, or OPAMP_ERR_BUSY (another thread, or the
 * loop's own, drives it), OPAMP_ERR_STATE (called inside a callback),
 * OPAMP_ERR_FORKED. */
OPAMP_API int opamp_loop_poll(opamp_loop *l, int timeout_ms);

/* A descriptor that is readable while opamp_loop_poll has work. The same one as
 * long as the loop lives, which owns it; it is only to be watched
 * (level-triggered), and no more when the loop is freed. */
OPAMP_API int opamp_loop_fd(const opamp_loop *l);

/* In how many ms opamp_loop_poll must be called at the latest; 0 now, -1 only
 * when the descriptor is readable. Calling it earlier does no harm. It is 0
 * while events wait: take them all before you wait. Called by the thread that
 * drives, after opamp_loop_poll. */
OPAMP_API int opamp_loop_timeout_ms(opamp_loop *l);

/* Starts a thread that drives the loop until opamp_loop_stop_thread or
 * opamp_loop_free. It blocks all signals and runs no callback.
 * OPAMP_ERR_STATE when there is one, OPAMP_ERR_BUSY while another thread is in
 * opamp_loop_poll, OPAMP_ERR_NOMEM, OPAMP_ERR_FORKED. */
OPAMP_API opamp_status opamp_loop_start_thread(opamp_loop *l);

/* Ends that thread and waits for it. Clients stay as they are. OPAMP_OK, also
 * when there is none. */
OPAMP_API opamp_status opamp_loop_stop_thread(opamp_loop *l);

/* Makes a waiting opamp_loop_poll or opamp_loop_wait_event return; when none
 * waits, the next one, so that a wake-up is never lost. Any thread, and safe in
 * a signal handler. */
OPAMP_API void opamp_loop_wake(opamp_loop *l);

/* --- events --------------------------------------------------------------- */

/* The next event, NULL when there is none. The caller owns it:
 * opamp_event_free. */
OPAMP_API opamp_event *opamp_loop_next_event(opamp_loop *l);

/* In thread mode: waits up to `timeout_ms` (-1: without end) for an event, which
 * the caller owns. OPAMP_OK with *out NULL: opamp_loop_wake was called, or what
 * came is for callbacks, and opamp_loop_dispatch is to be called. Otherwise
 * *out is NULL, too: OPAMP_ERR_TIMEOUT; OPAMP_ERR_STATE, the loop has no thread
 * that could bring an event; OPAMP_ERR_FORKED. */
OPAMP_API opamp_status opamp_loop_wait_event(opamp_loop *l, int timeout_ms,
                                             opamp_event **out);

/* A descriptor that is readable while events wait. Owned by the loop. -1 when
 * it could not be made. */
OPAMP_API int opamp_loop_event_fd(opamp_loop *l);

/* Hands waiting events to the callbacks of their clients, in this thread, for
 * as many events as waited when it began. Returns how many, OPAMP_ERR_STATE
 * inside a callback, or OPAMP_ERR_FORKED. opamp_loop_poll does this by
 * itself. */
OPAMP_API int opamp_loop_dispatch(opamp_loop *l);

#ifdef __cplusplus
}
#endif
#endif
