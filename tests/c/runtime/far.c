/* SPDX-License-Identifier: Apache-2.0 */
#include "far.h"

#include <stdlib.h>

#include "rt.h"

enum { PATIENCE_MS = 10000 };

/* --- life ----------------------------------------------------------------- */

far far_new_with(bool duplex, void (*change)(opamp_options *o)) {
  far f = {.duplex = duplex};
  stub *s = stub_new(); /* for the options only */
  f.o = rt_options(s, duplex);
  stub_free(s);
  opamp_options_set_number(f.o, OPAMP_OPT_OWN_TRANSPORT, 1);
  CHECK_EQ(
      opamp_options_set_text(f.o, OPAMP_TEXT_URL,
                             duplex ? "ws://bus/agents" : "http://bus/agents"),
      OPAMP_OK);
  if (change != NULL) change(f.o);
  CHECK_EQ(opamp_loop_new(&f.l, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&f.c, f.l, f.o), OPAMP_OK);
  return f;
}

far far_new(bool duplex) {
  return far_new_with(duplex, NULL);
}

void far_free(far *f) {
  opamp_client_free(f->c);
  opamp_loop_free(f->l);
  opamp_options_free(f->o);
  for (int i = 0; i < FAR_FIELDS; i++) opamp_msg_free(f->view[i]);
}

/* --- the server ----------------------------------------------------------- */

static bool fails(far *f) {
  if (f->random == 0) return false;
  f->random ^= f->random << 13;
  f->random ^= f->random >> 7;
  f->random ^= f->random << 17;
  return f->random % 100 < f->percent;
}

/* One of `n` ways to fail. */
static unsigned choose(const far *f, unsigned n) {
  return (unsigned)(f->random / 100 % n);
}

static void lose(const far *f, int64_t number) {
  bool refuse = !f->duplex && choose(f, 2) == 0;
  opamp_client_transport_closed(
      f->c, number, refuse ? OPAMP_ERR_HTTP : OPAMP_ERR_TRANSPORT,
      refuse ? 503 : 0, refuse ? 1 : -1, "the far end broke it");
}

static void reply(const far *f, int64_t number, bool error) {
  opamp_msg *m, *part;
  uint8_t packed[64] = {0};
  size_t head = f->duplex ? 1 : 0, len = sizeof packed - 1;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
  if (error) opamp_msg_add(&part, m, OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE);
  CHECK_EQ(opamp_msg_pack(m, packed + head, &len), OPAMP_OK);
  opamp_msg_free(m);
  opamp_client_transport_received(f->c, number,
                                  opamp_bytes_of(packed, head + len));
}

static void learn(far *f, const opamp_msg *m) {
  uint64_t number = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  /* What was sent when a connection broke may be missing, and a request may
   * come again under its number. */
  if (number != f->next && !(f->fresh && number > f->next) &&
      (f->duplex || number + 1 != f->next))
    f->out_of_order = true;
  f->fresh = false;
  f->next = number + 1;
  for (int i = 1; i < FAR_FIELDS; i++) {
    const opamp_msg *sub = opamp_msg_sub(m, i, 0);
    if (sub == NULL) continue;
    opamp_msg_free(f->view[i]);
    CHECK_EQ(opamp_msg_dup(&f->view[i], sub), OPAMP_OK);
  }
}

static void on_message(far *f, int64_t number, opamp_bytes bytes) {
  size_t head = f->duplex ? 1 : 0;
  opamp_msg *m;
  CHECK(!f->duplex || bytes.ptr[0] == 0);
  CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER,
                           opamp_bytes_of(bytes.ptr + head, bytes.len - head)),
           OPAMP_OK);
  f->messages++;
  if (!fails(f)) {
    learn(f, m);
    if (f->duplex) opamp_client_transport_written(f->c, number);
    reply(f, number, false);
  } else {
    f->next = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0) + 1;
    if (choose(f, 3) == 0) {
      if (f->duplex) opamp_client_transport_written(f->c, number);
      reply(f, number, true);
    }
    lose(f, number);
  }
  opamp_msg_free(m);
}

/* All that may be said, of a connection that is over. */
static void say_too_late(const far *f, int64_t number) {
  if (number <= 0) return;
  opamp_client_transport_opened(f->c, number);
  opamp_client_transport_written(f->c, number);
  opamp_client_transport_alive(f->c, number);
  reply(f, number, true);
  lose(f, number);
}

void far_answer(far *f, opamp_event *e) {
  int64_t number = opamp_event_number(e, OPAMP_NUM_CONNECTION);
  int code = (int)opamp_event_number(e, OPAMP_NUM_CLOSE_CODE);
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_TRANSPORT_OPEN:
      CHECK(number > f->opened);
      f->opened = number;
      f->fresh = true;
      if (fails(f))
        lose(f, number);
      else
        opamp_client_transport_opened(f->c, number);
      break;
    case OPAMP_EVENT_TRANSPORT_SEND:
      CHECK(f->duplex ? number == f->opened : number > f->opened);
      f->opened = number;
      on_message(f, number, opamp_event_bytes(e));
      break;
    case OPAMP_EVENT_TRANSPORT_PING:
      opamp_client_transport_alive(f->c, number);
      break;
    case OPAMP_EVENT_TRANSPORT_CLOSE:
      if (code != 0)
        opamp_client_transport_closed(f->c, number, OPAMP_ERR_CLOSED, code, -1,
                                      NULL);
      break;
    default:
      return;
  }
  say_too_late(f, number - 1);
}

/* --- driving -------------------------------------------------------------- */

void far_turn(far *f) {
  opamp_event *e;
  CHECK(opamp_loop_poll(f->l, 1) >= 0);
  while ((e = opamp_loop_next_event(f->l)) != NULL) {
    far_answer(f, e);
    opamp_event_free(e);
  }
}

void far_until(far *f, bool (*done)(const far *f)) {
  uint64_t end = rt_now_ms() + PATIENCE_MS;
  while (!done(f)) {
    CHECK(rt_now_ms() < end);
    far_turn(f);
  }
}
