/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_RUNTIME_H
#define OPAMP_RUNTIME_RUNTIME_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/handle.h"
#include "base/heap.h"
#include "core/core.h"
#include "opamp/client.h"
#include "runtime/inbox.h"
#include "runtime/offered.h"
#include "runtime/snapshot.h"
#include "transport/transport.h"

/* What the files of the runtime share.
 *
 *   options.c     opamp_options; snapshot.c its content, shared by clients
 *   loop.c        a loop's life; abandon.c its end in a forked child;
 *                 drive.c steps and poll; thread.c its thread
 *   queue.c       the events that wait, and which are dropped
 *   events.c      one event: reading, answering; dispatch.c callbacks
 *   client.c      a client's life; set.c and get.c its setters and getters
 *   raw.c         many setters in one packed message
 *   inbox.c       inputs that wait for the loop
 *   redacted.c    the effective config without secrets
 *   carried.c     connections that the application carries
 *   kept.c        what survives a restart, in a directory (statedir.c) or with
 *                 the application
 *   offered.c     connection settings that the server offered
 *   glue.c        one client's core, transport and clock together
 *   statedir.c    entries that survive a restart; statefile.c one's file;
 *                 files.c how anything gets to the disk
 *
 * One mutex per loop guards what threads share: inboxes, event queues, the
 * deadlines, and of every client the part marked so. It is held for a few
 * instructions only and never across a call of the core, the transport or the
 * application. Everything else belongs to the thread that drives the loop, of
 * which there is one at a time (opamp__loop_drive). */

/* Events that wait, linked through next and prev, in order of arrival. */
typedef struct opamp__queue {
  opamp_event *head, *tail;
  size_t len;
} opamp__queue;

/* What bounds an event's stay in the queue. */
typedef enum opamp__bound {
  OPAMP__BOUND_NONE = -1, /* at most one per client and kind, or never lost */
  OPAMP__BOUND_CUSTOM,
  OPAMP__BOUND_LOG,
  OPAMP__BOUND_TRACE,
  OPAMP__BOUND_OTHER,
  OPAMP__BOUNDS
} opamp__bound;

enum { OPAMP__LOG_QUEUE = 256 }; /* records per loop */

struct opamp_loop {
  opamp__handle handle;
  /* The caller's, each client's and each running call's. */
  atomic_uint refs;
  atomic_bool woken;     /* opamp_loop_wake; also set by signal handlers */
  atomic_bool wake_told; /* the same, for the loop's own thread to pass on */
  atomic_ullong random;
  pid_t pid;
  opamp__reactor *reactor;
  opamp__transport *transport;

  pthread_mutex_t mutex;
  pthread_cond_t event_came;
  /* Under the mutex from here on. */
  bool driven;       /* by the thread `driver` */
  bool dispatching;  /* the thread `dispatcher` may be inside a callback */
  bool free_pending; /* opamp_loop_free while driven */
  bool closed;       /* only the memory is left, for events that are out */
  bool has_thread, quit;
  bool used; /* it has had a client */
  bool wake_sent; /* and not swallowed by the reactor yet */
  pthread_t driver, dispatcher, thread;
  int event_fd; /* -1 until asked for */
  opamp__heap deadlines;
  opamp_client *clients;                 /* all, for opamp_loop_free */
  opamp_client *dirty_head, *dirty_tail; /* those with something to do */
  opamp__queue events;                   /* for opamp_loop_next_event */
  opamp__queue calls;                    /* for callbacks */
  size_t logs;
};

typedef struct opamp__callbacks {
  opamp_callbacks table;
  void *user_data;
} opamp__callbacks;

/* Events of a client that wait or were dropped; made on first need. */
typedef struct opamp__mailbox {
  opamp_event *head; /* through sibling, oldest first */
  uint32_t waiting[OPAMP__BOUNDS];
  uint32_t dropped[OPAMP__BOUNDS]; /* since the last DROPPED event */
  uint64_t dropped_total;
} opamp__mailbox;

struct opamp_client {
  opamp__handle handle; /* ended by opamp_client_free, or with the loop */
  /* The caller's, and each of its events'. */
  atomic_uint refs;
  bool own_loop;
  opamp_loop *loop;
  opamp__snapshot *options;
  _Atomic(void *) user_data;

  /* Of the thread that drives. */
  opamp__core_config config;
  opamp__core *core;
  opamp__conn *conn;
  opamp__headers *headers;  /* NULL: those of the options */
  opamp__command *deferred; /* said by the transport while busy */
  bool busy;                /* between feed and the last action */
  bool serving;             /* there are commands that were not fed yet */
  bool conn_broken;         /* CLOSED could not be kept: no memory */
  bool credentials;         /* the headers may go to the present URL */
  uint32_t customs_fed;
  int64_t carried; /* number of the newest connection of carried.c */
  struct opamp__kept *kept;  /* kept.c; NULL: nothing survives a restart */
  opamp__offered *offered;   /* as of `offered_at`; NULL: nothing is */
  uint32_t offered_at;       /* view.settings then */
  bool own_headers; /* the application's are newer than what was offered */

  /* Under the mutex of the loop. */
  bool dirty, started;
  uint32_t held, in_callback;
  opamp__inbox inbox;
  opamp__heap_node deadline;
  opamp_client *next, *prev, *next_dirty;
  opamp__mailbox mailbox;
  opamp__callbacks *callbacks;
  opamp_msg *declared;     /* CustomCapabilities */
  uint32_t customs_posted; /* not seen in view.customs yet */
  uint64_t capabilities;   /* as the application set them last */
  uint64_t made_at;
  uint64_t retry_at; /* memory lacked: when the inbox is tried again */
  opamp__core_view view;
  opamp__url url; /* in use; text is NULL: that of the options */
  char *last_error;
  opamp__buf config_hash;
  opamp__buf server_customs; /* packed CustomCapabilities */
};

/* --- what public functions ask first ----------------------------------------

 * OPAMP_OK, or why the handle is of no use: OPAMP_ERR_INVALID, or
 * OPAMP_ERR_FORKED in a child of the process that made it. `function` is the
 * public one, which the text begins with. */
opamp_status opamp__loop_check(const opamp_loop *l, const char *function);
opamp_status opamp__client_check(const opamp_client *c, const char *function);

/* --- loop.c --------------------------------------------------------------- */

/* A deadline that never comes. Its node stays in the heap, so that setting it
 * later needs no memory. */
#define OPAMP__DEADLINE_NONE (UINT64_MAX - 1)

uint64_t opamp__now_ms(void);
uint64_t opamp__random64(void *loop);
bool opamp__forked(const opamp_loop *l);
/* In a forked child: whether nobody was in the middle of anything when it was
 * made. */
bool opamp__loop_at_rest(opamp_loop *l);
/* For its random numbers. */
uint64_t opamp__loop_seed(const opamp_loop *l);
void opamp__loop_ref(opamp_loop *l);
void opamp__loop_unref(opamp_loop *l);
static inline void opamp__lock(opamp_loop *l) {
  pthread_mutex_lock(&l->mutex);
}
static inline void opamp__unlock(opamp_loop *l) {
  pthread_mutex_unlock(&l->mutex);
}

/* Takes it all down; by the thread that drives, for undrive. */
void opamp__loop_finish(opamp_loop *l);

/* thread.c: ends the loop's thread, if it has one, and waits for it. */
void opamp__loop_end_thread(opamp_loop *l);

/* --- drive.c -------------------------------------------------------------- */

/* Makes this thread the one that drives; false when there is one already. Ends
 * with undrive, which also frees the loop when that was asked for meanwhile. */
bool opamp__loop_drive(opamp_loop *l);
void opamp__loop_undrive(opamp_loop *l);
/* One round: what waits, what is due, then the reactor for up to timeout_ms. */
void opamp__loop_step(opamp_loop *l, int64_t timeout_ms);
/* For opamp__reactor_on_wait. */
int64_t opamp__loop_until(void *loop);
/* Feeds what waits in inboxes, and takes down clients that were freed. */
void opamp__loop_drain(opamp_loop *l);
/* Under the mutex: marks a client for the next drain and wakes the loop. */
void opamp__loop_mark(opamp_loop *l, opamp_client *c);

/* --- queue.c -------------------------------------------------------------- */

/* Takes over the event. */
void opamp__queue_push(opamp_client *c, opamp_event *e);
/* Under the mutex: the oldest event; NULL. */
opamp_event *opamp__queue_pop(opamp__queue *q);
/* Takes out the TRANSPORT_… events of a connection; whether one of that kind
 * was among them. */
bool opamp__queue_withdraw(opamp_client *c, int64_t connection, int kind);
/* Under the mutex: takes out all events of a client, linked through next. */
opamp_event *opamp__queue_purge(opamp_client *c);
/* Frees a list linked through next, without answering anything. */
void opamp__events_discard(opamp_event *list);
/* Under the mutex: whether any event waits. */
bool opamp__events_wait(const opamp_loop *l);

/* events.c: frees one event, deferred first when it is an open question. */
void opamp__event_done(opamp_event *e);

/* --- dispatch.c ----------------------------------------------------------- */

/* Runs the callbacks of the events that wait; how many. */
int opamp__dispatch(opamp_loop *l);
/* Under the mutex: whether this thread is inside a callback of the loop. */
bool opamp__in_callback(const opamp_loop *l);

/* --- client.c, set.c ------------------------------------------------------ */

void opamp__client_ref(opamp_client *c);
void opamp__client_unref(opamp_client *c);
/* Whether nobody but the library knows it any more. */
static inline bool opamp__client_gone(const opamp_client *c) {
  return opamp__handle_ended(&c->handle);
}
/* Hands a command, taken over, to the loop. NULL is OPAMP_ERR_NOMEM. */
opamp_status opamp__client_post(opamp_client *c, opamp__command *cmd);
/* Under the mutex: the same for one of several, and then opamp__loop_mark. What
 * it supersedes is put in front of `old`, to be freed. */
void opamp__client_put(opamp_client *c, opamp__command *cmd,
                       opamp__command **old);
/* The commands behind the setters, all checks made: `m` becomes the value of a
 * field of AgentToServer; the status of an offer. `function` is the public one,
 * which texts begin with. */
opamp_status opamp__set_command(opamp__command **out, const opamp_client *c,
                                int field, const opamp_msg *m,
                                const char *function);
opamp_status opamp__status_command(opamp__command **out, int field,
                                   opamp_bytes hash, int status,
                                   opamp_str error);
/* Under the mutex: how many more custom messages the queue takes; whether one
 * may be queued, `declared`
 * being the CustomCapabilities. */
uint32_t opamp__custom_room(const opamp_client *c);
opamp_status opamp__may_send(const opamp_client *c, const opamp_msg *declared,
                             opamp_str capability);

/* --- redacted.c ----------------------------------------------------------- */

/* A copy of an EffectiveConfig without the values of matching keys. */
opamp_status opamp__redacted(opamp_msg **out, const opamp_msg *effective,
                             opamp_str patterns);

/* --- kept.c --------------------------------------------------------------- */

/* Opens the directory of the options, if any, and tells the core what is in it.
 * Errors as opamp__statedir_open. */
opamp_status opamp__kept_open(opamp_client *c);
void opamp__kept_close(opamp_client *c); /* others may have the directory now */
void opamp__kept_free(opamp_client *c);
/* What was noted until now, and nobody could be told. */
void opamp__kept_tell(opamp_client *c);
/* Performs LOAD, SAVE, ERASE, KEY; the answer for the core, when the action is
 * over. NULL: it comes later, or memory lacked, and the deadline comes. */
opamp__command *opamp__kept_perform(opamp_client *c, const opamp__action *a);

/* --- glue.c: the thread that drives --------------------------------------- */

/* Feeds a list of commands (taken over), performs what follows. */
void opamp__client_serve(opamp_client *c, opamp__command *list);
void opamp__client_tick(opamp_client *c);
/* Ends the connection and frees all but what events need. */
void opamp__client_take_down(opamp_client *c);

#endif
