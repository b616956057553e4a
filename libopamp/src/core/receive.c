/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "base/uuid.h"
#include "core/state.h"
#include "wire/wire.h"

/* ServerToAgent: what is wrong with it, what it answers, and its parts in the
 * order of OFFER-1. */

/* A usual answer is unpacked on the stack, in so many 8 bytes. */
enum { RESTART_QUIET_MS = 60000, SCRATCH = 128 };

#define S2A(name) OPAMP_SERVER_TO_AGENT_##name

/* --- instance uids (OFFER-2, STATE-9) ------------------------------------- */

static bool for_us(const opamp__core *c, opamp_bytes uid) {
  if (uid.len == 0) return true;
  if (uid.len != OPAMP_UID_LEN) return false;
  if (memcmp(uid.ptr, c->view.uid, OPAMP_UID_LEN) == 0) return true;
  for (uint32_t i = 0; i < c->old_uid_len && i < OPAMP__OLD_UIDS; i++)
    if (memcmp(uid.ptr, c->old_uids[i], OPAMP_UID_LEN) == 0) return true;
  return false;
}

static void keep_uid(opamp__core *c) {
  opamp__buf copy = {NULL, 0, 0};
  if (opamp__opt(c, OPAMP_OPT_UID_PERSIST) != 0 &&
      opamp__buf_append(&copy, c->view.uid, OPAMP_UID_LEN))
    opamp__store_put(c, OPAMP__KEEP_UID, &copy);
}

static void identify(opamp__core *c, const opamp_msg *m) {
  opamp_bytes uid =
      opamp_msg_bytes(m, OPAMP_AGENT_IDENTIFICATION_NEW_INSTANCE_UID, 0);
  opamp_bytes old = {c->view.uid, OPAMP_UID_LEN};
  opamp_event *e;
  if (uid.len != OPAMP_UID_LEN || opamp__uuid_is_zero(uid.ptr)) {
    opamp__emit_bad_message(
        c, OPAMP_ERR_INVALID,
        OPAMP__LIT("agent_identification.new_instance_uid is not 16 bytes, or "
                   "all zero; ignored"));
    return;
  }
  c->uid_wanted = false;
  if (memcmp(uid.ptr, c->view.uid, OPAMP_UID_LEN) == 0) return;
  e = opamp__emit_new(c, OPAMP_EVENT_IDENTITY);
  if (e != NULL) {
    (void)opamp__event_set_bytes(e, uid);
    (void)opamp__buf_set(&e->previous, old.ptr, old.len);
  }
  opamp__emit(c, e);
  memcpy(c->old_uids[c->old_uid_len++ % OPAMP__OLD_UIDS], c->view.uid,
         OPAMP_UID_LEN);
  memcpy(c->view.uid, uid.ptr, OPAMP_UID_LEN);
  c->reopen = !c->duplex; /* the header says who we are (HTTP-2) */
  keep_uid(c);
  opamp__certificate_review(c, true);
  opamp__session_full_state(c);
}

/* --- flags ---------------------------------------------------------------- */

/* STATE-4: asked again and again while nothing changes, the full state comes
 * later and later, up to the heartbeat interval. */
static void full_state_asked(opamp__core *c) {
  uint64_t delay = 1000;
  opamp__emit_log(c, OPAMP_LOG_DEBUG, "the server asks for the full state");
  if (c->revision != c->full_revision) c->full_streak = 0;
  if (c->full_streak++ == 0) {
    opamp__session_full_state(c);
    return;
  }
  if (c->full_at != OPAMP__NEVER) return;
  for (uint32_t i = 2; i < c->full_streak && delay < c->heartbeat_ms; i++)
    delay *= 2;
  c->full_at = c->now + opamp__min64(delay, c->heartbeat_ms);
}

static void process_flags(opamp__core *c, uint64_t flags) {
  opamp__row *components = &c->rows[OPAMP__ROW_COMPONENTS];
  if (flags & OPAMP_SERVER_TO_AGENT_FLAGS_REPORT_FULL_STATE)
    full_state_asked(c);
  else
    c->full_streak = 0;
  if (flags & OPAMP_SERVER_TO_AGENT_FLAGS_REPORT_AVAILABLE_COMPONENTS) {
    c->components_full = true;
    components->sent = components->acked = components->index = 0;
    c->frame_current = c->told_delivered = false;
  }
}

/* --- the other parts ------------------------------------------------------ */

static void command(opamp__core *c, const opamp_msg *m) {
  uint64_t type = opamp_msg_u64(m, OPAMP_SERVER_TO_AGENT_COMMAND_TYPE, 0);
  opamp_event *e;
  if (type != OPAMP_COMMAND_TYPE_RESTART) {
    opamp__emit_log(c, OPAMP_LOG_WARN, "unknown command %llu ignored",
                    (unsigned long long)type);
    return;
  }
  if (c->restart_at != OPAMP__NEVER &&
      c->now - c->restart_at < RESTART_QUIET_MS)
    return; /* OFFER-8 */
  c->restart_at = c->now;
  e = opamp__emit_new(c, OPAMP_EVENT_COMMAND);
  if (e != NULL) opamp__event_set_number(e, OPAMP_NUM_STATE, (int64_t)type);
  opamp__emit(c, e);
}

static bool declared(const opamp__core *c, opamp_str capability) {
  const opamp__row *r = &c->rows[OPAMP__ROW_CUSTOM_CAPABILITIES];
  opamp_bytes packed = {r->value, r->len}, b;
  for (size_t i = 0;; i++) {
    b = opamp__packed_find(packed, OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES, i);
    if (b.ptr == NULL) return false;
    opamp_str s = {(const char *)b.ptr, b.len};
    if (opamp__str_eq(s, capability)) return true;
  }
}

static void custom_message(opamp__core *c, const opamp_msg *m) {
  opamp_str capability = opamp_msg_str(m, OPAMP_CUSTOM_MESSAGE_CAPABILITY, 0);
  opamp_event *e;
  if (!declared(c, capability)) {
    opamp__emit_log(c, OPAMP_LOG_WARN,
                    "custom message of undeclared capability \"%.*s\" ignored",
                    (int)capability.len, capability.ptr ? capability.ptr : "");
    return;
  }
  e = opamp__emit_new(c, OPAMP_EVENT_CUSTOM_MESSAGE);
  if (e == NULL) return;
  if (opamp_msg_dup(&e->msg, m) != OPAMP_OK) {
    opamp__event_destroy(e);
    c->view.counters[OPAMP_COUNT_DROPPED_EVENTS]++;
    return;
  }
  opamp__emit(c, e);
}

static void keep_server_customs(opamp__core *c, const opamp_msg *m) {
  opamp__buf packed = {NULL, 0, 0};
  if (opamp__msg_pack_canonical(m, &packed) == OPAMP_OK) {
    opamp__buf_free(&c->server_customs);
    c->server_customs = packed;
    c->view.server_customs++;
  } else {
    opamp__buf_free(&packed);
  }
}

/* --- errors --------------------------------------------------------------- */

static int64_t retry_info_ms(const opamp_msg *m) {
  const opamp_msg *info =
      opamp_msg_sub(m, OPAMP_SERVER_ERROR_RESPONSE_RETRY_INFO, 0);
  if (info == NULL) return -1;
  return (int64_t)(opamp_msg_u64(info, OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS,
                                 0) /
                   1000000);
}

static void emit_server_error(opamp__core *c, const opamp_msg *m,
                              opamp_str text, int64_t retry_in) {
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_SERVER_ERROR);
  c->view.counters[OPAMP_COUNT_SERVER_ERRORS]++;
  if (e == NULL) return;
  e->status = OPAMP_ERR_REFUSED;
  (void)opamp__event_set_text(e, text);
  (void)opamp_msg_dup(&e->msg, m);
  opamp__event_set_number(e, OPAMP_NUM_RETRY_IN_MS, retry_in);
  opamp__emit(c, e);
}

/* `index` is the message it answers. */
static void error_response(opamp__core *c, const opamp_msg *m, uint32_t index) {
  uint64_t type = opamp_msg_u64(m, OPAMP_SERVER_ERROR_RESPONSE_TYPE, 0);
  opamp_str text =
      opamp_msg_str(m, OPAMP_SERVER_ERROR_RESPONSE_ERROR_MESSAGE, 0);
  int64_t asked = retry_info_ms(m), delay = -1;
  if (opamp__trial_trying(c)) { /* no place to stay at */
    emit_server_error(c, m, text, -1);
    opamp__session_drop(c, OPAMP_ERR_REFUSED, text, 1000, 0);
    return;
  }
  if (type == OPAMP_SERVER_ERROR_RESPONSE_TYPE_BAD_REQUEST) {
    emit_server_error(c, m, text, -1);
    return;
  }
  c->error_streak++;
  if (asked > 0)
    delay = (int64_t)opamp__backoff_asked(c, (uint64_t)asked);
  else
    delay = (int64_t)opamp__backoff(c, c->error_streak);
  emit_server_error(c, m, text, delay);
  if (type == OPAMP_SERVER_ERROR_RESPONSE_TYPE_UNAVAILABLE) {
    c->must_send = true;
    opamp__session_drop(c, OPAMP_ERR_UNAVAILABLE, text, 1000, delay);
    return; /* CONN-6 */
  }
  if (!opamp__rows_unreported(c, index)) c->must_send = true;
  c->hold_until = c->now + (uint64_t)delay;
}

/* STATE-15, CONN-7: before the flags, which may ask for the full state: what
 * was refused is no part of it. */
static void refuse(opamp__core *c, const opamp_msg *error, uint32_t index) {
  opamp_str text =
      opamp_msg_str(error, OPAMP_SERVER_ERROR_RESPONSE_ERROR_MESSAGE, 0);
  if (opamp_msg_u64(error, OPAMP_SERVER_ERROR_RESPONSE_TYPE, 0) ==
      OPAMP_SERVER_ERROR_RESPONSE_TYPE_BAD_REQUEST)
    opamp__rows_refused(c, index, text);
}

/* --- one message ---------------------------------------------------------- */

static void process_offers(opamp__core *c, const opamp_msg *m) {
  const opamp_msg *sub;
  if ((sub = opamp_msg_sub(m, S2A(CONNECTION_SETTINGS), 0)) != NULL)
    opamp__settings_offer(c, sub);
  if ((sub = opamp_msg_sub(m, S2A(REMOTE_CONFIG), 0)) != NULL)
    opamp__offers_remote_config(c, sub);
  if ((sub = opamp_msg_sub(m, S2A(PACKAGES_AVAILABLE), 0)) != NULL)
    opamp__offers_packages(c, sub);
  if ((sub = opamp_msg_sub(m, S2A(CUSTOM_CAPABILITIES), 0)) != NULL)
    keep_server_customs(c, sub);
  if ((sub = opamp_msg_sub(m, S2A(CUSTOM_MESSAGE), 0)) != NULL)
    custom_message(c, sub);
}

/* A command stands alone: all else is ignored but who and what the server is
 * (OFFER-1). */
static const opamp_msg *command_of(const opamp__core *c, const opamp_msg *m) {
  if (!(c->view.capabilities &
        OPAMP_AGENT_CAPABILITIES_ACCEPTS_RESTART_COMMAND))
    return NULL;
  return opamp_msg_sub(m, S2A(COMMAND), 0);
}

static const opamp_msg *error_of(const opamp__core *c, const opamp_msg *m) {
  if (command_of(c, m) != NULL) return NULL;
  return opamp_msg_sub(m, S2A(ERROR_RESPONSE), 0);
}

static void process(opamp__core *c, const opamp_msg *m, uint32_t index) {
  const opamp_msg *error = error_of(c, m), *sub;
  uint64_t capabilities = opamp_msg_u64(m, S2A(CAPABILITIES), 0);
  if (capabilities != 0) c->view.server_capabilities = capabilities;
  if ((sub = command_of(c, m)) != NULL) {
    command(c, sub);
    return;
  }
  if (error != NULL) refuse(c, error, index);
  if ((sub = opamp_msg_sub(m, S2A(AGENT_IDENTIFICATION), 0)) != NULL)
    identify(c, sub);
  process_flags(c, opamp_msg_u64(m, S2A(FLAGS), 0));
  if (error != NULL) {
    error_response(c, error, index);
    return;
  }
  c->error_streak = 0;
  process_offers(c, m);
}

static void trace(opamp__core *c, const opamp_msg *m, size_t size) {
  opamp_event *e;
  int64_t fields = 0;
  if (opamp__opt(c, OPAMP_OPT_TRACE_MESSAGES) == 0) return;
  for (size_t i = 0; i < opamp_msg_field_count(OPAMP_MSG_SERVER_TO_AGENT);
       i++) {
    int field = opamp_msg_field_at(OPAMP_MSG_SERVER_TO_AGENT, i);
    if (opamp_msg_count(m, field) > 0) fields |= INT64_C(1) << field;
  }
  e = opamp__emit_new(c, OPAMP_EVENT_MESSAGE_RECEIVED);
  if (e == NULL) return;
  opamp__event_set_number(e, OPAMP_NUM_SIZE, (int64_t)size);
  opamp__event_set_number(e, OPAMP_NUM_FIELDS, fields);
  (void)opamp_msg_dup(&e->msg, m);
  opamp__emit(c, e);
}

/* A message that cannot be used at all (WIRE-4). */
static void bad_frame(opamp__core *c, opamp_status why, const char *text,
                      int code) {
  opamp__emit_bad_message(c, why, opamp__str(text));
  opamp__session_drop(c, why, opamp__str(text), code, -1);
}

static opamp_status parse(opamp__core *c, opamp_bytes frame,
                          uint64_t scratch[SCRATCH], opamp_msg **out) {
  opamp__limits limits = opamp__limits_default;
  limits.bytes = (size_t)opamp__opt(c, OPAMP_OPT_MAX_RECEIVE);
  return opamp__msg_parse_in(scratch, SCRATCH * sizeof *scratch, out,
                             OPAMP_MSG_SERVER_TO_AGENT, frame, &limits);
}

/* What the message answers. An error answers without delivering. */
static void count_answer(opamp__core *c, const opamp_msg *m) {
  if (c->answered < c->sent) c->answered++;
  c->progress_at = c->now;
  if (!c->duplex) c->busy = false;
  if (error_of(c, m) != NULL) return;
  c->frame_current = false;
  opamp__rows_answered(c);
}

static void message(opamp__core *c, const opamp_msg *m, size_t size) {
  uint32_t index = c->answered < c->sent ? c->answered + 1 : 0;
  opamp_bytes uid = opamp_msg_bytes(m, S2A(INSTANCE_UID), 0);
  if (!for_us(c, uid)) {
    trace(c, m, size);
    static const char text[] = "message for another instance uid";
    opamp__emit_bad_message(c, OPAMP_ERR_FOREIGN_UID, opamp__str(text));
    if (c->duplex) return;
    opamp__session_drop(c, OPAMP_ERR_FOREIGN_UID, opamp__str(text), 0, -1);
    return;
  }
  opamp__session_answered(c);
  trace(c, m, size);
  count_answer(c, m);
  if (error_of(c, m) == NULL) opamp__trial_answered(c);
  process(c, m, index);
  if (!c->duplex && (!c->running || c->leaving) && c->frame_final && !c->busy)
    opamp__session_finished(c);
}

void opamp__receive(opamp__core *c, opamp_bytes frame) {
  _Alignas(8) uint64_t scratch[SCRATCH]; /* not so by itself everywhere */
  opamp_msg *m = NULL;
  opamp_status s;
  size_t header = 0;
  if (c->state != OPAMP__OPEN && (c->duplex || c->state != OPAMP__OPENING))
    return;
  c->view.counters[OPAMP_COUNT_MESSAGES_RECEIVED]++;
  c->view.counters[OPAMP_COUNT_BYTES_RECEIVED] += frame.len;
  if (c->duplex) {
    header = opamp__ws_header(frame.ptr, frame.len);
    if (header == 0) {
      bad_frame(c, OPAMP_ERR_FRAME, "bad WebSocket message header", 1002);
      return;
    }
    frame.ptr += header;
    frame.len -= header;
  }
  s = parse(c, frame, scratch, &m);
  if (s != OPAMP_OK) {
    bad_frame(c, s, opamp_errmsg(), s == OPAMP_ERR_LIMIT ? 1009 : 1007);
    return;
  }
  message(c, m, frame.len);
  opamp_msg_free(m);
}
