/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "msg_text.h"
#include "player.h"
#include "wire/wire.h"
#include "world.h"

/* Whether the line begins with the word; moves behind it then. */
static bool is(const char **line, const char *word) {
  size_t n = strlen(word);
  if (strncmp(*line, word, n) != 0) return false;
  if ((*line)[n] != '\0' && (*line)[n] != ' ') return false;
  *line += n + strspn(*line + n, " ");
  return true;
}

static size_t unhex(const char *s, uint8_t *out, size_t cap) {
  size_t n = 0;
  unsigned byte;
  while (n < cap && sscanf(s, "%2x", &byte) == 1) {
    out[n++] = (uint8_t)byte;
    s += 2;
  }
  return n;
}

static uint64_t capabilities(const char *list) {
  uint64_t bits = 0;
  char name[64];
  int n;
  while (sscanf(list, " %63[^, ]%n", name, &n) == 1) {
    bits |= isdigit((unsigned char)name[0])
                ? strtoull(name, NULL, 0)
                : opamp_agent_capability_by_name(name);
    list += n;
    while (*list == ',' || *list == ' ') list++;
  }
  return bits;
}

/* --- before the first time ------------------------------------------------ */

bool player_setting(player *p, const char *line) {
  char name[64];
  unsigned long long value;
  if (is(&line, "option")) {
    if (sscanf(line, "%63s %llu", name, &value) != 2) return false;
    for (size_t i = 0; opamp__number_at(i) != NULL; i++)
      if (strcmp(opamp__number_at(i)->name, name) == 0) {
        p->numbers[opamp__number_at(i)->key] = value;
        return true;
      }
    return false;
  }
  if (is(&line, "url")) {
    opamp__url_free(&p->url);
    return opamp__url_parse(&p->url, opamp__str(line)) == OPAMP_OK;
  }
  if (is(&line, "capabilities")) {
    p->config.capabilities = capabilities(line);
    return true;
  }
  if (is(&line, "random")) {
    p->random = strtoull(line, NULL, 0);
    return true;
  }
  if (is(&line, "written by hand")) {
    p->manual_written = true;
    return true;
  }
  return world_setting(p, line);
}

/* --- inputs of the application -------------------------------------------- */

static void feed_value(player *p, opamp__in_kind kind, int field,
                       const opamp_msg *m) {
  opamp__buf value = {NULL, 0, 0};
  opamp__input in = {.kind = kind, .field = field, .value = &value};
  player_memory(p, true);
  (void)opamp__msg_pack_canonical(m, &value);
  player_memory(p, false);
  player_feed(p, &in);
  opamp__buf_free(&value);
}

/* set health{…}: a row; set health: cleared. */
static bool input_set(player *p, const char *line) {
  opamp_msg *m = NULL;
  char name[64] = "";
  int field;
  bool ok;
  sscanf(line, "%63[a-z_]", name);
  field = opamp_msg_field_by_name(OPAMP_MSG_AGENT_TO_SERVER, name);
  player_memory(p, true);
  ok = field != 0 && opamp_msg_new(&m, OPAMP_MSG_AGENT_TO_SERVER) == OPAMP_OK &&
       (line[strlen(name)] == '\0' || msg_text_parse(m, &line));
  player_memory(p, false);
  if (ok) feed_value(p, OPAMP__IN_SET, field, opamp_msg_sub(m, field, 0));
  opamp_msg_free(m);
  return ok;
}

static bool input_custom(player *p, const char *line) {
  opamp_msg *m = NULL;
  bool ok;
  player_memory(p, true);
  ok = opamp_msg_new(&m, OPAMP_MSG_CUSTOM_MESSAGE) == OPAMP_OK &&
       msg_text_parse(m, &line);
  player_memory(p, false);
  if (ok) feed_value(p, OPAMP__IN_CUSTOM, 0, m);
  opamp_msg_free(m);
  return ok;
}

/* answer accept | reject "text" | defer: to the newest question. */
static bool input_answer(player *p, const char *line) {
  opamp__input in = {.kind = OPAMP__IN_ANSWER, .offer = p->last_offer};
  char text[512];
  int offer;
  if (sscanf(line, "#%d", &offer) == 1) {
    in.offer = (uint32_t)offer;
    line += strcspn(line, " ");
    line += strspn(line, " ");
  }
  if (is(&line, "accept")) {
    in.verdict = OPAMP__ACCEPT;
  } else if (is(&line, "defer")) {
    in.verdict = OPAMP__DEFER;
  } else if (is(&line, "reject")) {
    in.verdict = OPAMP__REJECT;
    if (msg_text_string(&line, text, sizeof text) < 0) return false;
    in.text = opamp__str(text);
  } else {
    return false;
  }
  player_feed(p, &in);
  return true;
}

/* status remote_config|connection_settings HEX APPLIED|APPLYING|FAILED "text"
 */
static bool input_status(player *p, const char *line) {
  static const char *const names[] = {"", "APPLIED", "APPLYING", "FAILED"};
  char what[32], hex[64], state[16], text[512] = "";
  uint8_t hash[32];
  opamp__input in = {.kind = OPAMP__IN_STATUS};
  int n = 0;
  if (sscanf(line, "%31s %63s %15s %n", what, hex, state, &n) != 3)
    return false;
  line += n;
  if (*line != '\0' && msg_text_string(&line, text, sizeof text) < 0)
    return false;
  in.field = strcmp(what, "remote_config") == 0
                 ? OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
                 : OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS;
  in.hash = (opamp_bytes){hash, unhex(hex, hash, sizeof hash)};
  in.text = opamp__str(text);
  for (int i = 1; i < 4; i++)
    if (strcmp(names[i], state) == 0) in.status = i;
  if (in.status == 0) return false;
  player_feed(p, &in);
  return true;
}

static bool input_number(player *p, opamp__in_kind kind, uint64_t number) {
  opamp__input in = {.kind = kind, .number = number};
  player_feed(p, &in);
  return true;
}

static bool input_forget(player *p, const char *line) {
  int kind = strcmp(line, "remote_config") == 0 ? OPAMP_EVENT_REMOTE_CONFIG
             : strcmp(line, "packages") == 0    ? OPAMP_EVENT_PACKAGES
                                             : OPAMP_EVENT_CONNECTION_SETTINGS;
  return input_number(p, OPAMP__IN_FORGET, (uint64_t)kind);
}

/* --- inputs of the transport ---------------------------------------------- */

static void feed_frame(player *p, const uint8_t *ptr, size_t len) {
  opamp__input in = {.kind = OPAMP__IN_FRAME, .frame = {ptr, len}};
  player_feed(p, &in);
  if (!p->mode->doubled) return;
  /* Over HTTP every message is the answer to some request. */
  player_drain(p);
  if (p->duplex || p->invariants.in_flight) player_feed(p, &in);
}

/* server fields…: a ServerToAgent. */
static bool input_server(player *p, const char *line) {
  uint8_t frame[PLAYER_TEXT] = {0};
  size_t head = p->duplex ? 1 : 0, len = sizeof frame - head;
  opamp_msg *m = NULL;
  bool ok;
  player_memory(p, true);
  ok = opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT) == OPAMP_OK &&
       msg_text_parse(m, &line) && *line == '\0' &&
       opamp_msg_pack(m, frame + head, &len) == OPAMP_OK;
  opamp_msg_free(m);
  player_memory(p, false);
  if (ok) feed_frame(p, frame, head + len);
  return ok;
}

static bool input_frame(player *p, const char *line) {
  uint8_t frame[512];
  feed_frame(p, frame, unhex(line, frame, sizeof frame));
  return true;
}

/* closed STATUS http=503 code=1001 retry-after=30000 location=… text="…"
 * body="…"
 */
static bool input_closed(player *p, const char *line) {
  static const opamp_status all[] = {OPAMP_ERR_TRANSPORT, OPAMP_ERR_TLS,
                                     OPAMP_ERR_HTTP,      OPAMP_ERR_RESOLVE,
                                     OPAMP_ERR_LIMIT,     OPAMP_ERR_CLOSED,
                                     OPAMP_ERR_FRAME,     OPAMP_ERR_TEXT_FRAME};
  opamp__in_closed closed = {.retry_after_ms = -1};
  opamp__input in = {.kind = OPAMP__IN_CLOSED, .closed = &closed};
  char text[512] = "", location[512] = "", body[512] = "", name[32];
  sscanf(line, "%31s", name);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(opamp_status_name(all[i]) + strlen("OPAMP_ERR_"), name) == 0)
      closed.why = all[i];
  if (closed.why == OPAMP_OK) return false;
  for (line += strlen(name); *line != '\0';) {
    line += strspn(line, " ");
    if (strncmp(line, "http=", 5) == 0) {
      closed.http_status = atoi(line + 5);
    } else if (strncmp(line, "code=", 5) == 0) {
      closed.close_code = atoi(line + 5);
    } else if (strncmp(line, "retry-after=", 12) == 0) {
      closed.retry_after_ms = atoll(line + 12);
    } else if (strncmp(line, "location=", 9) == 0) {
      sscanf(line + 9, "%511s", location);
    } else if (strncmp(line, "text=", 5) == 0) {
      line += 5;
      if (msg_text_string(&line, text, sizeof text) < 0) return false;
      continue;
    } else if (strncmp(line, "body=", 5) == 0) {
      line += 5;
      if (msg_text_string(&line, body, sizeof body) < 0) return false;
      continue;
    } else {
      return false;
    }
    line += strcspn(line, " ");
  }
  closed.text = opamp__str(text);
  closed.location = opamp__str(location);
  closed.body = opamp__str(body);
  player_feed(p, &in);
  return true;
}

static bool input_plain(player *p, opamp__in_kind kind) {
  return input_number(p, kind, 0);
}

/* connected fields…: started, opened and answered with these fields, all at
 * this time; what came out meanwhile is not compared. */
static bool input_connected(player *p, const char *line) {
  bool ok;
  input_plain(p, OPAMP__IN_START);
  player_drain(p);
  input_plain(p, OPAMP__IN_OPENED);
  player_drain(p);
  ok = input_server(p, line);
  player_drain(p);
  player_clear(p);
  return ok;
}

bool player_input(player *p, const char *line) {
  opamp__input stop = {.kind = OPAMP__IN_STOP};
  if (is(&line, "quiet")) return true;
  if (is(&line, "tick")) return input_plain(p, OPAMP__IN_TICK);
  if (is(&line, "asleep")) return input_plain(p, OPAMP__IN_TICK);
  if (is(&line, "connected")) return input_connected(p, line);
  if (is(&line, "start")) return input_plain(p, OPAMP__IN_START);
  if (is(&line, "flush")) return input_plain(p, OPAMP__IN_FLUSH);
  if (is(&line, "request certificate"))
    return input_plain(p, OPAMP__IN_CERTIFICATE);
  if (is(&line, "headers")) return input_plain(p, OPAMP__IN_HEADERS);
  if (is(&line, "opened")) return input_plain(p, OPAMP__IN_OPENED);
  if (is(&line, "alive")) return input_plain(p, OPAMP__IN_ALIVE);
  if (is(&line, "written")) return input_plain(p, OPAMP__IN_WRITTEN);
  if (is(&line, "stop")) {
    stop.silent = strcmp(line, "silent") == 0;
    player_feed(p, &stop);
    return true;
  }
  if (is(&line, "set")) return input_set(p, line);
  if (is(&line, "custom")) return input_custom(p, line);
  if (is(&line, "answer")) return input_answer(p, line);
  if (is(&line, "status")) return input_status(p, line);
  if (is(&line, "forget")) return input_forget(p, line);
  if (is(&line, "capabilities"))
    return input_number(p, OPAMP__IN_CAPABILITIES, capabilities(line));
  if (is(&line, "heartbeat"))
    return input_number(p, OPAMP__IN_HEARTBEAT, strtoull(line, NULL, 10));
  if (is(&line, "server")) return input_server(p, line);
  if (is(&line, "frame")) return input_frame(p, line);
  if (is(&line, "closed")) return input_closed(p, line);
  if (is(&line, "random")) {
    p->random = strtoull(line, NULL, 0);
    return true;
  }
  return world_input(p, line);
}
