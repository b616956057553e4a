/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg_text.h"
#include "player.h"
#include "wire/wire.h"

/* --- messages ------------------------------------------------------------- */

static bool same(const opamp_msg *a, const opamp_msg *b) {
  opamp__buf x = {NULL, 0, 0}, y = {NULL, 0, 0};
  bool ok = opamp__msg_pack_canonical(a, &x) == OPAMP_OK &&
            opamp__msg_pack_canonical(b, &y) == OPAMP_OK && x.len == y.len &&
            (x.len == 0 || memcmp(x.ptr, y.ptr, x.len) == 0);
  opamp__buf_free(&x);
  opamp__buf_free(&y);
  return ok;
}

static bool same_bytes(opamp_bytes a, opamp_bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_head(int field) {
  return field == OPAMP_AGENT_TO_SERVER_INSTANCE_UID ||
         field == OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM ||
         field == OPAMP_AGENT_TO_SERVER_CAPABILITIES;
}

/* One word of "agent_description health{healthy:true} flags:1": the field must
 * be there, and as written when its content is. */
static bool match_field(const opamp_msg *sent, const char **text,
                        uint64_t *named) {
  char name[64] = "";
  opamp_msg *want = NULL;
  const char *from = *text;
  int field;
  bool ok;
  sscanf(from, "%63[a-z_]", name);
  field = opamp_msg_field_by_name(OPAMP_MSG_AGENT_TO_SERVER, name);
  *named |= UINT64_C(1) << field;
  *text += strlen(name);
  if (field == 0 || opamp_msg_count(sent, field) == 0) return false;
  if (**text == ' ' || **text == '\0') return true;
  /* Parse just this field: a copy that ends where the next one begins. */
  if (opamp_msg_new(&want, OPAMP_MSG_AGENT_TO_SERVER) != OPAMP_OK) return false;
  ok = msg_text_parse(want, &from) && *from == '\0';
  if (ok &&
      opamp_msg_field_kind(OPAMP_MSG_AGENT_TO_SERVER, field) == OPAMP_KIND_MSG)
    ok = same(opamp_msg_sub(want, field, 0), opamp_msg_sub(sent, field, 0));
  else if (ok && opamp_msg_field_kind(OPAMP_MSG_AGENT_TO_SERVER, field) ==
                     OPAMP_KIND_BYTES)
    ok = same_bytes(opamp_msg_bytes(want, field, 0),
                    opamp_msg_bytes(sent, field, 0));
  else if (ok)
    ok = opamp_msg_u64(want, field, 0) == opamp_msg_u64(sent, field, 0);
  opamp_msg_free(want);
  return ok;
}

/* Cuts the text after the first field, honouring braces and quotes. */
static char *first_field(const char *text) {
  int depth = 0;
  bool quoted = false;
  size_t n = 0;
  for (; text[n] != '\0'; n++) {
    if (text[n] == '"' && (n == 0 || text[n - 1] != '\\')) quoted = !quoted;
    if (quoted) continue;
    if (text[n] == '{') depth++;
    if (text[n] == '}') depth--;
    if (text[n] == ' ' && depth == 0) break;
  }
  return strndup(text, n);
}

static bool match_fields(const opamp_msg *sent, const char *text) {
  uint64_t named = 0;
  bool ok = true;
  if (strcmp(text, "nothing") == 0) text = "";
  while (ok && *text != '\0') {
    char *one = first_field(text);
    const char *at = one;
    ok = match_field(sent, &at, &named);
    text += strlen(one);
    text += strspn(text, " ");
    free(one);
  }
  for (int field = 1; ok && field < 16; field++)
    if (!is_head(field) && opamp_msg_count(sent, field) > 0 &&
        !(named & (UINT64_C(1) << field)))
      ok = false;
  return ok;
}

static bool match_send(const output *o, const char *line) {
  bool again = strncmp(line, "again ", 6) == 0;
  char *end;
  uint64_t seq;
  if (o->kind != OPAMP__DO_SEND || again != o->again) return false;
  if (again) line += 6;
  seq = strtoull(line, &end, 10);
  if (*end++ != ':') return false;
  if (seq != opamp_msg_u64(o->sent, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0))
    return false;
  return match_fields(o->sent, end + strspn(end, " "));
}

/* --- events --------------------------------------------------------------- */

static int number_of(const char *key) {
  static const struct {
    const char *name;
    int num;
  } names[] = {{"attempt", OPAMP_NUM_ATTEMPT},
               {"http", OPAMP_NUM_HTTP_STATUS},
               {"code", OPAMP_NUM_CLOSE_CODE},
               {"retry", OPAMP_NUM_RETRY_IN_MS},
               {"seq", OPAMP_NUM_SEQUENCE_NUM},
               {"size", OPAMP_NUM_SIZE},
               {"state", OPAMP_NUM_STATE},
               {"disconnect_sent", OPAMP_NUM_DISCONNECT_SENT},
               {"restored", OPAMP_NUM_RESTORED},
               {"interval", OPAMP_NUM_INTERVAL_MS},
               {"count", OPAMP_NUM_COUNT},
               {"level", OPAMP_NUM_LEVEL}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i].name, key) == 0) return names[i].num;
  return 0;
}

static int64_t event_number(const opamp_event *e, int num) {
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++)
    if (e->keys[i] == num) return e->values[i];
  return 0;
}

static bool match_hex(opamp_bytes b, const char *hex) {
  char text[512] = "";
  for (size_t i = 0; i < b.len && i < 200; i++)
    sprintf(text + 2 * i, "%02x", b.ptr[i]);
  return strcmp(text, hex) == 0;
}

/* Bits of the fields of AgentToServer named; "none" is 0; a number itself. */
static uint64_t fields_of(const char *list) {
  uint64_t bits = 0;
  char name[64];
  int n;
  if (strcmp(list, "none") == 0) return 0;
  if (isdigit((unsigned char)list[0])) return strtoull(list, NULL, 0);
  while (sscanf(list, "%63[^,]%n", name, &n) == 1) {
    bits |=
        UINT64_C(1) << opamp_msg_field_by_name(OPAMP_MSG_AGENT_TO_SERVER, name);
    list += n + (list[n] == ',');
  }
  return bits;
}

/* key=value, with the value's quotes gone. */
static bool match_value(const opamp_event *e, const char *key,
                        const char *value) {
  opamp_bytes bytes = {e->bytes.ptr, e->bytes.len};
  if (strcmp(key, "whole_text") == 0)
    return e->text.ptr != NULL && strcmp((char *)e->text.ptr, value) == 0;
  if (strcmp(key, "text") == 0)
    return e->text.ptr != NULL && strstr((char *)e->text.ptr, value) != NULL;
  if (strcmp(key, "status") == 0)
    return strcmp(opamp_status_name(e->status) + strlen("OPAMP_"), value) == 0;
  if (strcmp(key, "hash") == 0) return match_hex(bytes, value);
  if (strcmp(key, "previous") == 0)
    return match_hex((opamp_bytes){e->previous.ptr, e->previous.len}, value);
  if (strcmp(key, "fields") == 0)
    return (uint64_t)event_number(e, OPAMP_NUM_FIELDS) == fields_of(value);
  if (strcmp(key, "state") == 0 && isalpha((unsigned char)value[0])) {
    uint64_t v = 0;
    return opamp_msg_enum_value(OPAMP_MSG_REMOTE_CONFIG_STATUS,
                                OPAMP_REMOTE_CONFIG_STATUS_STATUS, value, &v) &&
           event_number(e, OPAMP_NUM_STATE) == (int64_t)v;
  }
  if (number_of(key) != 0)
    return event_number(e, number_of(key)) == atoll(value);
  return false;
}

static bool match_msg(const opamp_event *e, const char *text) {
  opamp_msg *want = NULL;
  bool ok = e->msg != NULL &&
            opamp_msg_new(&want, opamp_msg_type(e->msg)) == OPAMP_OK &&
            msg_text_parse(want, &text) && same(want, e->msg);
  opamp_msg_free(want);
  return ok;
}

/* event kind key=value …; what is not named is not compared. */
static bool match_event(const output *o, const char *line) {
  char kind[64], key[64], value[512];
  int n;
  if (o->kind != OPAMP__DO_EMIT || sscanf(line, "%63s%n", kind, &n) != 1)
    return false;
  if (strcmp(opamp_event_kind_name(o->event->kind), kind) != 0) return false;
  for (line += n; *(line += strspn(line, " ")) != '\0';) {
    if (sscanf(line, "%63[a-z_]=%n", key, &n) != 1) return false;
    line += n;
    if (strcmp(key, "msg") == 0) return match_msg(o->event, line);
    if (*line == '"') {
      if (msg_text_string(&line, value, sizeof value) < 0) return false;
    } else {
      sscanf(line, "%511[^ ]%n", value, &n);
      line += n;
    }
    if (!match_value(o->event, key, value)) return false;
  }
  return true;
}

/* --- looking in ----------------------------------------------------------- */

static bool look_at(const opamp__core_view *v, const char *key,
                    const char *value) {
  static const char *const states[] = {
      [OPAMP_STATE_STOPPED] = "stopped",
      [OPAMP_STATE_CONNECTING] = "connecting",
      [OPAMP_STATE_CONNECTED] = "connected",
      [OPAMP_STATE_WAITING] = "waiting",
      [OPAMP_STATE_STOPPING] = "stopping",
  };
  static const struct {
    const char *name;
    int counter;
  } counters[] = {{"sent", OPAMP_COUNT_MESSAGES_SENT},
                  {"received", OPAMP_COUNT_MESSAGES_RECEIVED},
                  {"connects", OPAMP_COUNT_CONNECTS},
                  {"connect_failures", OPAMP_COUNT_CONNECT_FAILURES},
                  {"disconnects", OPAMP_COUNT_DISCONNECTS},
                  {"heartbeats", OPAMP_COUNT_HEARTBEATS},
                  {"full_states", OPAMP_COUNT_FULL_STATES},
                  {"offers", OPAMP_COUNT_OFFERS},
                  {"bad_messages", OPAMP_COUNT_BAD_MESSAGES},
                  {"server_errors", OPAMP_COUNT_SERVER_ERRORS},
                  {"parked_count", OPAMP_COUNT_PARKED}};
  uint64_t number = strtoull(value, NULL, 0);
  if (strcmp(key, "state") == 0) return strcmp(states[v->state], value) == 0;
  if (strcmp(key, "undelivered") == 0)
    return v->undelivered == fields_of(value);
  if (strcmp(key, "parked") == 0) return v->parked == fields_of(value);
  if (strcmp(key, "customs") == 0) return v->customs == number;
  if (strcmp(key, "since") == 0) return v->since == number;
  if (strcmp(key, "retry_at") == 0)
    return v->retry_at == (strcmp(value, "never") == 0 ? UINT64_MAX : number);
  if (strcmp(key, "server_capabilities") == 0)
    return v->server_capabilities == number;
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
    if (strcmp(counters[i].name, key) == 0)
      return v->counters[counters[i].counter] == number;
  return false;
}

/* look key=value …: what the getters say at this point. */
static void expect_look(player *p, const char *line) {
  char key[64], value[256];
  int n;
  for (; *(line += strspn(line, " ")) != '\0'; line += n)
    if (sscanf(line, "%63[a-z_]=%255[^ ]%n", key, value, &n) != 2 ||
        !look_at(opamp__core_look(p->core), key, value)) {
      player_fail(p, "not so: %s", line);
      return;
    }
}

/* settings fields… | none: what connections are made with now. */
static bool match_settings(const player *p, const char *text) {
  const opamp_msg *have = opamp__core_settings(p->core);
  opamp_msg *want = NULL;
  bool ok;
  if (strcmp(text, "none") == 0) return have == NULL;
  ok = have != NULL &&
       opamp_msg_new(&want, OPAMP_MSG_OPAMP_CONNECTION_SETTINGS) == OPAMP_OK &&
       msg_text_parse(want, &text) && same(want, have);
  opamp_msg_free(want);
  return ok;
}

void player_expect(player *p, const char *line) {
  output *o;
  bool ok;
  if (strncmp(line, "settings ", 9) == 0) {
    if (!match_settings(p, line + 9)) player_fail(p, "not so: %s", line);
    return;
  }
  if (strncmp(line, "look ", 5) == 0) {
    expect_look(p, line + 5);
    return;
  }
  if (p->output_next == p->output_len) {
    player_fail(p, "@%" PRIu64 " missing: %s", p->now, line);
    return;
  }
  o = &p->outputs[p->output_next++];
  if (strncmp(line, "send ", 5) == 0)
    ok = match_send(o, line + 5);
  else if (strncmp(line, "event ", 6) == 0)
    ok = match_event(o, line + 6);
  else
    ok = strcmp(o->text, line) == 0;
  if (!ok) player_fail(p, "wanted %s\n    got    %s", line, o->text);
}
