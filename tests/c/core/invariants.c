/* SPDX-License-Identifier: Apache-2.0 */
#include "invariants.h"

#include <inttypes.h>

#include "player.h"
#include "wire/wire.h"

/* --- the connection, as a transport sees it ------------------------------- */

void invariants_input(player *p, const opamp__input *in) {
  invariants *v = &p->invariants;
  switch (in->kind) {
    case OPAMP__IN_OPENED:
      if (v->link == LINK_DIALLED) v->link = LINK_OPEN;
      break;
    case OPAMP__IN_CLOSED:
      v->link = LINK_NONE;
      v->in_flight = v->unwritten = false;
      break;
    case OPAMP__IN_FRAME:
      v->in_flight = false;
      break;
    case OPAMP__IN_WRITTEN:
      v->unwritten = false;
      break;
    default:
      break;
  }
}

static void check_open(player *p) {
  invariants *v = &p->invariants;
  if (p->duplex && v->link != LINK_NONE)
    player_broken(p, "a second connection beside the first");
  if (!p->duplex && v->in_flight)
    player_broken(p, "the place changes with a request in flight");
  v->link = LINK_DIALLED;
  v->goodbye = false;
}

static void check_send(player *p) {
  invariants *v = &p->invariants;
  if (p->duplex && v->link != LINK_OPEN)
    player_broken(p, "sent without a connection");
  if (v->unwritten) player_broken(p, "sent before the last frame was written");
  if (!p->duplex && v->in_flight)
    player_broken(p, "sent while a request is in flight");
  if (v->goodbye) player_broken(p, "sent after AgentDisconnect");
  v->in_flight = true;
  v->unwritten = p->duplex;
}

void invariants_action(player *p, const opamp__action *a) {
  invariants *v = &p->invariants;
  switch (a->kind) {
    case OPAMP__DO_OPEN:
      check_open(p);
      break;
    case OPAMP__DO_SEND:
      check_send(p);
      break;
    case OPAMP__DO_PING:
      if (v->link != LINK_OPEN) player_broken(p, "a ping into nothing");
      break;
    case OPAMP__DO_CLOSE:
      if (v->link != LINK_OPEN) player_broken(p, "closed what is not open");
      v->link = LINK_CLOSING;
      break;
    case OPAMP__DO_ABORT:
      v->link = LINK_NONE;
      v->in_flight = v->unwritten = false;
      break;
    case OPAMP__DO_EMIT:
      break;
  }
}

/* --- messages ------------------------------------------------------------- */

void invariants_message(player *p, const opamp_msg *m, bool again) {
  opamp_bytes uid = opamp_msg_bytes(m, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, 0);
  int64_t seq =
      (int64_t)opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  uint64_t caps = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_CAPABILITIES, 0);
  if (uid.len != OPAMP_UID_LEN) player_broken(p, "a message without uid");
  if (!(caps & OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS))
    player_broken(p, "a message without ReportsStatus");
  if (again && p->duplex) player_broken(p, "the same bytes again");
  if (seq != p->last_seq + (again ? 0 : 1))
    player_broken(p, "sequence_num %" PRId64 " after %" PRId64, seq,
                  p->last_seq);
  if (opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT) > 0)
    p->invariants.goodbye = true;
}

/* --- events: the pairs event.h promises ----------------------------------- */

void invariants_event(player *p, const opamp_event *e) {
  invariants *v = &p->invariants;
  if (p->mode->fail_after != 0) return; /* one of a pair may be missing */
  switch (e->kind) {
    case OPAMP_EVENT_CONNECTING:
      if (v->told != TOLD_NOTHING) player_broken(p, "CONNECTING out of turn");
      v->told = TOLD_CONNECTING;
      break;
    case OPAMP_EVENT_CONNECTED:
      if (v->told != TOLD_CONNECTING) player_broken(p, "CONNECTED out of turn");
      v->told = TOLD_CONNECTED;
      break;
    case OPAMP_EVENT_CONNECT_FAILED:
      if (v->told != TOLD_CONNECTING)
        player_broken(p, "CONNECT_FAILED out of turn");
      v->told = TOLD_NOTHING;
      break;
    case OPAMP_EVENT_DISCONNECTED:
      if (v->told != TOLD_CONNECTED)
        player_broken(p, "DISCONNECTED out of turn");
      v->told = TOLD_NOTHING;
      break;
    case OPAMP_EVENT_STOPPED:
      v->told = TOLD_NOTHING;
      break;
    default:
      break;
  }
}

/* --- time ----------------------------------------------------------------- */

enum { MAX_SAME_TIME = 20 };

bool invariants_tick(player *p, uint64_t at) {
  invariants *v = &p->invariants;
  v->ticks = at > v->ticked ? 0 : v->ticks + 1;
  v->ticked = at;
  if (v->ticks < MAX_SAME_TIME) return true;
  player_broken(p, "a busy loop at @%" PRIu64, at);
  return false;
}
