/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/mem.h"
#include "runtime/runtime.h"

/* One FIFO per loop and way of taking events. An event is in two lists: that
 * queue, and its client's, where an older one of its kind is looked for. */

bool opamp__events_wait(const opamp_loop *l) {
  return l->events.head != NULL || l->calls.head != NULL;
}

static opamp__bound bound_of(int kind) {
  switch (kind) {
    case OPAMP_EVENT_CUSTOM_MESSAGE:
      return OPAMP__BOUND_CUSTOM;
    case OPAMP_EVENT_LOG:
      return OPAMP__BOUND_LOG;
    case OPAMP_EVENT_MESSAGE_SENT:
    case OPAMP_EVENT_MESSAGE_RECEIVED:
      return OPAMP__BOUND_TRACE;
    case OPAMP_EVENT_STOPPED: /* one per stop: bounded by the application */
    /* One of each per connection, and of the one before it only CLOSE. */
    case OPAMP_EVENT_TRANSPORT_OPEN:
    case OPAMP_EVENT_TRANSPORT_SEND:
    case OPAMP_EVENT_TRANSPORT_PING:
    case OPAMP_EVENT_TRANSPORT_CLOSE:
    /* One of each key. */
    case OPAMP_EVENT_STORE_LOAD:
    case OPAMP_EVENT_STORE_SAVE:
    case OPAMP_EVENT_STORE_ERASE:
      return OPAMP__BOUND_NONE;
    default:
      return opamp__event_replaces(kind) ? OPAMP__BOUND_NONE
                                         : OPAMP__BOUND_OTHER;
  }
}

static bool is_full(const opamp_client *c, opamp__bound bound) {
  if (bound == OPAMP__BOUND_NONE) return false;
  if (bound == OPAMP__BOUND_LOG) return c->loop->logs >= OPAMP__LOG_QUEUE;
  return c->mailbox.waiting[bound] >=
         c->options->numbers[OPAMP_OPT_EVENT_QUEUE];
}

static void count(opamp_client *c, const opamp_event *e, int by) {
  opamp__bound bound = bound_of(e->kind);
  if (bound == OPAMP__BOUND_NONE) return;
  c->mailbox.waiting[bound] += (uint32_t)by;
  if (bound == OPAMP__BOUND_LOG) c->loop->logs += (size_t)by;
}

/* The descriptor is readable while events wait. */
static void signal_fd(opamp_loop *l, bool waiting) {
  uint64_t n = 1;
  if (l->event_fd < 0) return;
  if (waiting) {
    if (write(l->event_fd, &n, sizeof n) < 0) return; /* it is readable */
  } else {
    if (read(l->event_fd, &n, sizeof n) < 0) return; /* it was not */
  }
}

static void append(opamp_client *c, opamp_event *e) {
  opamp_loop *l = c->loop;
  opamp__queue *q;
  opamp_event **end = &c->mailbox.head;
  e->called = c->callbacks != NULL;
  q = e->called ? &l->calls : &l->events;
  if (!opamp__events_wait(l)) signal_fd(l, true);
  e->next = NULL;
  e->prev = q->tail;
  if (q->tail != NULL) q->tail->next = e;
  if (q->head == NULL) q->head = e;
  q->tail = e;
  q->len++;
  while (*end != NULL) end = &(*end)->sibling;
  e->sibling = NULL;
  *end = e;
  e->client = c;
  opamp__client_ref(c);
  count(c, e, 1);
  pthread_cond_signal(&l->event_came);
}

static void take_out(opamp_event *e) {
  opamp_client *c = e->client;
  opamp_loop *l = c->loop;
  opamp__queue *q = e->called ? &l->calls : &l->events;
  opamp_event **at = &c->mailbox.head;
  if (e->prev != NULL) e->prev->next = e->next;
  if (e->next != NULL) e->next->prev = e->prev;
  if (q->head == e) q->head = e->next;
  if (q->tail == e) q->tail = e->prev;
  q->len--;
  e->next = e->prev = NULL;
  while (*at != e) at = &(*at)->sibling;
  *at = e->sibling;
  e->sibling = NULL;
  count(c, e, -1);
  if (!opamp__events_wait(l)) signal_fd(l, false);
}

static opamp_event *find(const opamp_client *c, int kind) {
  opamp_event *e = c->mailbox.head;
  while (e != NULL && e->kind != kind) e = e->sibling;
  return e;
}

/* What was dropped is told by one event that waits like any other; its text
 * and number are those of the moment it is taken. */
static void drop(opamp_client *c, opamp__bound bound) {
  opamp_event *e;
  c->mailbox.dropped[bound]++;
  c->mailbox.dropped_total++;
  if (find(c, OPAMP_EVENT_DROPPED) != NULL) return;
  e = opamp__event_new(OPAMP_EVENT_DROPPED);
  if (e != NULL) append(c, e); /* else the next drop tells of this one too */
}

static void fill_dropped(opamp_event *e) {
  static const char *const names[OPAMP__BOUNDS] = {
      "custom messages", "log records", "message traces", "other events"};
  opamp__mailbox *box = &e->client->mailbox;
  opamp__buf text = {NULL, 0, 0};
  uint64_t total = 0;
  for (int i = 0; i < OPAMP__BOUNDS; i++) {
    if (box->dropped[i] == 0) continue;
    (void)opamp__buf_printf(&text, "%s%u %s", total == 0 ? "" : ", ",
                            (unsigned)box->dropped[i], names[i]);
    total += box->dropped[i];
    box->dropped[i] = 0;
  }
  (void)opamp__event_set_text(e, (opamp_str){(const char *)text.ptr, text.len});
  opamp__buf_free(&text);
  opamp__event_set_number(e, OPAMP_NUM_COUNT, (int64_t)total);
}

void opamp__queue_push(opamp_client *c, opamp_event *e) {
  opamp_loop *l = c->loop;
  opamp__bound bound = bound_of(e->kind);
  opamp_event *gone = NULL;
  opamp__lock(l);
  if (opamp__client_gone(c)) {
    gone = e;
  } else if (is_full(c, bound)) {
    drop(c, bound);
    gone = e;
  } else {
    if (opamp__event_replaces(e->kind)) gone = find(c, e->kind);
    if (gone != NULL) take_out(gone);
    append(c, e);
  }
  opamp__unlock(l);
  opamp__events_discard(gone);
}

opamp_event *opamp__queue_pop(opamp__queue *q) {
  opamp_event *e = q->head;
  if (e == NULL) return NULL;
  take_out(e);
  if (e->kind == OPAMP_EVENT_DROPPED) fill_dropped(e);
  return e;
}

opamp_event *opamp__queue_purge(opamp_client *c) {
  opamp_event *list = NULL;
  while (c->mailbox.head != NULL) {
    opamp_event *e = c->mailbox.head;
    take_out(e);
    e->next = list;
    list = e;
  }
  return list;
}

static bool is_of_connection(const opamp_event *e, int64_t connection) {
  return e->kind >= OPAMP_EVENT_TRANSPORT_OPEN &&
         e->kind <= OPAMP_EVENT_TRANSPORT_CLOSE &&
         opamp_event_number(e, OPAMP_NUM_CONNECTION) == connection;
}

bool opamp__queue_withdraw(opamp_client *c, int64_t connection, int kind) {
  opamp_event *gone = NULL, *next;
  bool found = false;
  opamp__lock(c->loop);
  for (opamp_event *e = c->mailbox.head; e != NULL; e = next) {
    next = e->sibling;
    if (!is_of_connection(e, connection)) continue;
    found |= e->kind == kind;
    take_out(e);
    e->next = gone;
    gone = e;
  }
  opamp__unlock(c->loop);
  opamp__events_discard(gone);
  return found;
}

void opamp__events_discard(opamp_event *list) {
  while (list != NULL) {
    opamp_event *next = list->next;
    if (list->client != NULL) opamp__client_unref(list->client);
    opamp__event_destroy(list);
    list = next;
  }
}
