/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_LOOP_H
#define OPAMP_LOOP_H

#include "opamp/event.h"
#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * A loop does the work of any number of clients: it moves bytes, keeps their
 * deadlines and queues their events. A client made without a loop gets one of
 * its own (opamp_client_loop()).
 *
 * It is driven in one of three ways:
 *
 * - by the caller: opamp_loop_poll(loop, timeout_ms), no thread;
 * - by a foreign loop: watch opamp_loop_fd() for reading, wake up after
 *   opamp_loop_timeout_ms() at the latest, and then call opamp_loop_poll(loop,
 *   0), which never waits, and ask for the timeout again. What is set elsewhere
 *   makes the descriptor readable;
 * - by its own thread: opamp_loop_start_thread().
 *
 * Events are taken with opamp_loop_next_event(), or handed to the callbacks of
 * their clients by opamp_loop_poll() and opamp_loop_dispatch(). Take one of the
 * two ways for a loop: a client with callbacks gets its events there, and
 * opamp_loop_next_event() gives those of all others.
 *
 * A loop belongs to the process that made it. In a forked child its functions
 * return OPAMP_ERR_FORKED, or what they return for a bad handle, but for those
 * that say otherwise; opamp_loop_abandon() is for such a child, and
 * opamp_loop_adopt() for one that was given a new loop. */

#ifdef __cplusplus
extern "C" {
#endif

/** A new loop for up to `max_connections` connections at once (0: 64). Free it
 * with opamp_loop_free().
 *
 * The shared library loads libcurl, and the many libraries that it needs, when
 * an agent first speaks HTTP. Where libcurl is missing HTTP, and where
 * libwebsockets lacks its libuv plugin WebSocket, fails to connect with
 * OPAMP_ERR_UNSUPPORTED, and the event's text names the package to install.
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_IO  there are no descriptors
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_loop_new(opamp_loop **out,
                                      uint32_t max_connections);

/** Frees a loop: stops its thread, and frees with it what clients it still has,
 * without telling their servers. Inside a callback, or while another thread is
 * in opamp_loop_poll(), it takes effect when that has returned; the handle is
 * not to be used any more all the same. In a forked child nothing is freed.
 * NULL is fine.
 * @threads any; callbacks too */
OPAMP_API void opamp_loop_free(opamp_loop *l);

/** For a forked child, which has no use for the loops of its parent but has all
 * their descriptors, and so would keep connections open that the parent closed:
 * closes them. Not a byte is sent, and the parent's connections, epoll and
 * descriptors that wake it up stay as they are. In the process that made the
 * loop this does nothing; NULL is fine.
 *
 * The memory is freed, too, clients included, unless it was in use when the
 * child was made: by a thread of the loop, by another thread inside one of its
 * functions, or because this thread was inside opamp_loop_poll(), that is, in a
 * callback. Then it is left alone.
 *
 * Call it once for a loop. After it neither the loop nor its clients may be
 * used or freed; what was made from them and is still held (events, messages)
 * is freed as always. After or without it the child makes loops of its own as
 * it likes. A callback that forks may return in the child: opamp_loop_poll()
 * and opamp_loop_dispatch() then return OPAMP_ERR_FORKED at once.
 * @threads any of the child, no other one using the loop; callbacks too */
OPAMP_API void opamp_loop_abandon(opamp_loop *l);

/** For a process that is going to call chroot(), or to lose its rights to read:
 * does at once what is otherwise done when a client first connects, as far as
 * it needs files. That loads libcurl and libwebsockets' libuv plugin, opens
 * /dev/urandom, and sets up OpenSSL. The files that options name are read by
 * opamp_options_check(). Names are looked up with what is in sight when they are
 * (/etc/resolv.conf, /etc/hosts).
 *
 * All of it is tried; the loop can be used as before whatever the status is.
 * @retval OPAMP_ERR_UNSUPPORTED  a library is missing: HTTP or WebSocket will
 *                                not work
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_BUSY     something drives the loop
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; in callbacks it is OPAMP_ERR_BUSY while poll runs them */
OPAMP_API opamp_status opamp_loop_prepare(opamp_loop *l);

/** For a forked child whose parent made the loop, and perhaps prepared it, for
 * it: from now on it is the child's, with descriptors of its own. The parent's
 * is not touched, and may be adopted by other children, too. OPAMP_OK also in
 * the process that the loop belongs to.
 * @retval OPAMP_ERR_STATE    the loop has had a client, has an
 *                            opamp_loop_event_fd(), or was being driven
 * @retval OPAMP_ERR_IO       there are no descriptors; the loop is of no use
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @threads any of the child, no other one using the loop */
OPAMP_API opamp_status opamp_loop_adopt(opamp_loop *l);

/** @name Driving
 * @{ */

/** Does what is due, waits up to `timeout_ms` (0: not at all, -1: without end)
 * for something to happen, and runs the callbacks of the events there are.
 * Returns at once when events wait.
 * @return how many events wait for opamp_loop_next_event(), or a status
 * @retval OPAMP_ERR_BUSY     another thread, or the loop's own, drives it
 * @retval OPAMP_ERR_STATE    called inside a callback
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any, one at a time; not in callbacks */
OPAMP_API int opamp_loop_poll(opamp_loop *l, int timeout_ms);

/** A descriptor that is readable while opamp_loop_poll() has work. The same one
 * as long as the loop lives, which owns it; it is only to be watched
 * (level-triggered), and no more when the loop is freed. -1 for a bad handle.
 * @threads any; callbacks too; in a forked child, too */
OPAMP_API int opamp_loop_fd(const opamp_loop *l);

/** In how many ms opamp_loop_poll() must be called at the latest; 0 now, -1
 * only when the descriptor is readable, or for a bad handle. Calling it earlier
 * does no harm. It is 0 while events wait: take them all before you wait.
 * @threads the one that drives, after opamp_loop_poll(); callbacks too */
OPAMP_API int opamp_loop_timeout_ms(opamp_loop *l);

/** Starts a thread that drives the loop until opamp_loop_stop_thread() or
 * opamp_loop_free(). It blocks all signals and runs no callback.
 * @retval OPAMP_ERR_STATE    it has one
 * @retval OPAMP_ERR_BUSY     another thread is in opamp_loop_poll()
 * @retval OPAMP_ERR_NOMEM    there can be no more threads
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; in callbacks it is OPAMP_ERR_BUSY while poll runs them */
OPAMP_API opamp_status opamp_loop_start_thread(opamp_loop *l);

/** Ends that thread and waits for it. Clients stay as they are. OPAMP_OK, also
 * when there is none.
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_loop_stop_thread(opamp_loop *l);

/** Makes a waiting opamp_loop_poll() or opamp_loop_wait_event() return; when
 * none waits, the next one, so that a wake-up is never lost.
 * @threads any; callbacks too; signal handlers, too */
OPAMP_API void opamp_loop_wake(opamp_loop *l);

/** @}
 * @name Events
 * @{ */

/** The next event, which the caller owns (opamp_event_free()); NULL when there
 * is none, and for a bad handle.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_event *opamp_loop_next_event(opamp_loop *l);

/** In thread mode: waits up to `timeout_ms` (-1: without end) for an event.
 *
 * OPAMP_OK with `*out` an event, which the caller owns; or with `*out` NULL:
 * opamp_loop_wake() was called, or what came is for callbacks, and
 * opamp_loop_dispatch() is to be called. With any other status `*out` is NULL.
 * @retval OPAMP_ERR_TIMEOUT
 * @retval OPAMP_ERR_STATE    the loop has no thread that could bring an event
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_loop_wait_event(opamp_loop *l, int timeout_ms,
                                             opamp_event **out);

/** A descriptor that is readable while events wait. The same one as long as the
 * loop lives, which owns it. -1 when it could not be made, and for a bad
 * handle.
 * @threads any; callbacks too */
OPAMP_API int opamp_loop_event_fd(opamp_loop *l);

/** Hands waiting events to the callbacks of their clients, in this thread, for
 * as many events as waited when it began. opamp_loop_poll() does this by
 * itself; it is for loops with a thread.
 * @return how many there were, or a status
 * @retval OPAMP_ERR_STATE    called inside a callback
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any, one at a time; not in callbacks */
OPAMP_API int opamp_loop_dispatch(opamp_loop *l);

/** @} */

#ifdef __cplusplus
}
#endif
#endif
