/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a restart, with a store of the application's own, and in a
 * directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "freed.h"
#include "rt.h"

/* --- an application that keeps things ------------------------------------- */

enum { KEYS = 8 };

typedef struct shelf {
  char name[KEYS][48];
  uint8_t *value[KEYS];
  size_t len[KEYS];
  bool secret[KEYS];
  int count, loads, saves;
  bool full; /* refuses to save */
} shelf;

static int slot(shelf *s, opamp_str key) {
  for (int i = 0; i < s->count; i++)
    if (strcmp(s->name[i], key.ptr) == 0) return i;
  return -1;
}

static void put(shelf *s, opamp_str key, opamp_bytes v, bool secret) {
  int i = slot(s, key);
  if (i < 0) {
    i = s->count++;
    CHECK(i < KEYS);
    snprintf(s->name[i], sizeof s->name[i], "%s", key.ptr);
  }
  free(s->value[i]);
  s->value[i] = malloc(v.len + 1);
  if (v.len > 0) memcpy(s->value[i], v.ptr, v.len);
  s->len[i] = v.len;
  s->secret[i] = secret;
}

static void take_away(shelf *s, opamp_str key) {
  int i = slot(s, key);
  if (i < 0) return;
  free(s->value[i]);
  s->count--;
  s->value[i] = s->value[s->count];
  s->len[i] = s->len[s->count];
  s->secret[i] = s->secret[s->count];
  memcpy(s->name[i], s->name[s->count], sizeof s->name[i]);
  s->value[s->count] = NULL;
}

static void shelf_free(shelf *s) {
  for (int i = 0; i < KEYS; i++) free(s->value[i]);
}

/* True when the event was the store's. */
static bool serve(shelf *s, opamp_client *c, const opamp_event *e) {
  int64_t request = opamp_event_number(e, OPAMP_NUM_REQUEST);
  opamp_str key = opamp_event_text(e);
  opamp_bytes none = {NULL, 0};
  int i;
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_STORE_LOAD:
      s->loads++;
      i = slot(s, key);
      CHECK_EQ(
          opamp_client_store_loaded(
              c, request, i < 0 ? none : (opamp_bytes){s->value[i], s->len[i]}),
          OPAMP_OK);
      return true;
    case OPAMP_EVENT_STORE_SAVE:
      s->saves++;
      if (s->full) {
        CHECK_EQ(opamp_client_store_failed(c, request, "disk full"), OPAMP_OK);
        return true;
      }
      put(s, key, opamp_event_bytes(e),
          opamp_event_number(e, OPAMP_NUM_SECRET) != 0);
      CHECK_EQ(opamp_client_store_saved(c, request), OPAMP_OK);
      return true;
    case OPAMP_EVENT_STORE_ERASE:
      take_away(s, key);
      CHECK_EQ(opamp_client_store_saved(c, request), OPAMP_OK);
      return true;
    default:
      return false;
  }
}

/* The next event of the kind; the store's are answered on the way. */
static opamp_event *next(rt *t, shelf *s, int kind) {
  uint64_t until = rt_now_ms() + 10000;
  for (;;) {
    opamp_event *e = opamp_loop_next_event(t->l);
    if (e == NULL) {
      CHECK(rt_now_ms() < until);
      CHECK(opamp_loop_poll(t->l, 100) >= 0);
      continue;
    }
    if (opamp_event_kind(e) == kind) return e;
    if (s != NULL) serve(s, t->c, e);
    opamp_event_free(e);
  }
}

static void skip(rt *t, shelf *s, int kind) {
  opamp_event_free(next(t, s, kind));
}

/* A client of the stub `s` that keeps things: with `dir`, or by events. */
static rt client(stub *s, const char *dir, bool websocket) {
  rt t = {.s = s, .o = rt_options(s, websocket)};
  if (dir != NULL)
    opamp_options_set_text(t.o, OPAMP_TEXT_STATE_DIR, dir);
  else
    opamp_options_set_number(t.o, OPAMP_OPT_STORE, 1);
  opamp_options_set_number(t.o, OPAMP_OPT_TRIAL_INTERVAL, 0);
  opamp_options_set_number(t.o, OPAMP_OPT_POLL_INTERVAL, 10);
  opamp_options_set_capabilities(
      t.o, OPAMP_AGENT_CAPABILITIES_ACCEPTS_OPAMP_CONNECTION_SETTINGS |
               OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS);
  opamp_options_set_number(t.o, OPAMP_OPT_RECONNECT_DELAY, 0);
  CHECK_EQ(opamp_loop_new(&t.l, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&t.c, t.l, t.o), OPAMP_OK);
  return t;
}

/* One that keeps things by events, connected, with nothing left to say. */
static rt started(stub *s, shelf *kept, bool websocket) {
  rt t = client(s, NULL, websocket);
  CHECK_EQ(opamp_client_start(t.c), OPAMP_OK);
  skip(&t, kept, OPAMP_EVENT_DELIVERED);
  return t;
}

static void client_free(rt *t) {
  opamp_client_free(t->c);
  opamp_loop_free(t->l);
  opamp_options_free(t->o);
}

static opamp_msg *settings_offer(const char *hash, const char *token) {
  opamp_msg *m, *offers, *place, *headers, *h;
  opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  opamp_msg_add(&offers, m, OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS);
  opamp_msg_set_bytes(offers, OPAMP_CONNECTION_SETTINGS_OFFERS_HASH,
                      opamp_bytes_of(hash, strlen(hash)));
  opamp_msg_add(&place, offers, OPAMP_CONNECTION_SETTINGS_OFFERS_OPAMP);
  opamp_msg_add(&headers, place, OPAMP_OPAMP_CONNECTION_SETTINGS_HEADERS);
  opamp_msg_add(&h, headers, OPAMP_HEADERS_HEADERS);
  opamp_msg_set_str(h, OPAMP_HEADER_KEY, opamp_str_of("Token"));
  opamp_msg_set_str(h, OPAMP_HEADER_VALUE, opamp_str_of(token));
  return m;
}

/* Until the offered settings have that status. */
static void settled(rt *t, shelf *s, int status) {
  for (;;) {
    opamp_event *e = next(t, s, OPAMP_EVENT_CONNECTION_SETTINGS_STATUS);
    int64_t is = opamp_event_number(e, OPAMP_NUM_STATE);
    opamp_event_free(e);
    if (is == OPAMP_CONNECTION_SETTINGS_STATUSES_APPLYING) continue;
    CHECK_EQ(is, status);
    return;
  }
}

/* --- the application's store ---------------------------------------------- */

static void uid_of(const rt *t, uint8_t uid[OPAMP_UID_LEN]) {
  opamp_client_instance_uid(t->c, uid);
}

/* Covers: STATE-16, SEC-5 */
TEST(the_application_keeps_the_uid) {
  stub *s = stub_new();
  shelf kept = {.count = 0};
  uint8_t first[OPAMP_UID_LEN], second[OPAMP_UID_LEN];
  for (int life = 0; life < 2; life++) {
    rt t = started(s, &kept, true);
    uid_of(&t, life == 0 ? first : second);
    client_free(&t);
  }
  CHECK(memcmp(first, second, sizeof first) == 0);
  CHECK_EQ(kept.loads, 10);
  CHECK_EQ(kept.saves, 1);
  CHECK(!kept.secret[slot(&kept, opamp_str_of("instance_uid"))]);
  shelf_free(&kept);
  stub_free(s);
}

/* Covers: SET-5, SEC-5 */
static void settings_over_restarts(bool websocket) {
  stub *s = stub_new();
  shelf kept = {.count = 0};
  char token[32];
  rt t = started(s, &kept, websocket);
  stub_push(s, settings_offer("s", "t0ken"));
  settled(&t, &kept, OPAMP_CONNECTION_SETTINGS_STATUSES_APPLIED);
  skip(&t, &kept, OPAMP_EVENT_DELIVERED);
  CHECK(kept.secret[slot(&kept, opamp_str_of("opamp_settings"))]);
  client_free(&t);
  t = started(s, &kept, websocket);
  stub_header(s, "Token", token, sizeof token);
  CHECK_STR(token, "t0ken");
  client_free(&t);
  shelf_free(&kept);
  stub_free(s);
}

TEST(the_application_keeps_settings_websocket) {
  settings_over_restarts(true);
}

TEST(the_application_keeps_settings_http) {
  settings_over_restarts(false);
}

/* Covers: SET-5 */
TEST(a_full_store_means_no_trial) {
  stub *s = stub_new();
  shelf kept = {.count = 0};
  rt t = started(s, &kept, true);
  kept.full = true;
  stub_push(s, settings_offer("s", "t0ken"));
  settled(&t, &kept, OPAMP_CONNECTION_SETTINGS_STATUSES_FAILED);
  CHECK_EQ(stub_accepted(s), 1);
  client_free(&t);
  shelf_free(&kept);
  stub_free(s);
}

/* Covers: STATE-16 */
TEST(answers_that_nobody_waits_for) {
  stub *s = stub_new();
  rt t = client(s, NULL, true);
  opamp_client_start(t.c);
  opamp_event *e = next(&t, NULL, OPAMP_EVENT_STORE_LOAD);
  int64_t request = opamp_event_number(e, OPAMP_NUM_REQUEST);
  opamp_event_free(e);
  opamp_bytes none = {NULL, 0};
  CHECK_EQ(opamp_client_store_failed(t.c, request, "\xff"), OPAMP_ERR_UTF8);
  /* That would be an instance uid of no bytes. */
  CHECK_EQ(opamp_client_store_saved(t.c, request), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_client_store_loaded(t.c, request, none), OPAMP_OK);
  CHECK_EQ(opamp_client_store_loaded(t.c, request, none), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_client_store_saved(t.c, 0), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_client_store_saved(t.c, 999), OPAMP_ERR_STATE);
  CHECK(strstr(opamp_errmsg(), "999") != NULL);
  client_free(&t);
  stub_free(s);
}

/* --- a directory ---------------------------------------------------------- */

static void remove_all(const char *dir) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", dir);
  CHECK_EQ(system(command), 0);
}

/* Covers: SEC-5, STATE-16 */
TEST(a_directory_is_private_and_has_one_user) {
  char dir[] = "/tmp/opamp-kept-XXXXXX", path[300];
  struct stat st;
  stub *s = stub_new();
  CHECK(mkdtemp(dir) != NULL);
  snprintf(path, sizeof path, "%s/state", dir);
  rt t = client(s, path, true);
  opamp_client *second = NULL;
  CHECK_EQ(opamp_client_new(&second, t.l, t.o), OPAMP_ERR_BUSY);
  CHECK(second == NULL && strstr(opamp_errmsg(), path) != NULL);
  opamp_client_start(t.c);
  skip(&t, NULL, OPAMP_EVENT_DELIVERED);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0700);
  snprintf(path, sizeof path, "%s/state/instance_uid", dir);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  client_free(&t);
  snprintf(path, sizeof path, "%s/state", dir);
  t = client(s, path, true); /* it is free again */
  client_free(&t);
  remove_all(dir);
  stub_free(s);
}

/* Covers: STATE-16 */
TEST(a_uid_that_is_no_good_is_set_aside_and_said) {
  char dir[] = "/tmp/opamp-kept-XXXXXX", path[300];
  stub *s = stub_new();
  CHECK(mkdtemp(dir) != NULL);
  snprintf(path, sizeof path, "%s/instance_uid", dir);
  FILE *f = fopen(path, "w");
  CHECK(f != NULL && fputs("somebody else's", f) >= 0 && fclose(f) == 0);
  rt t = client(s, dir, true);
  opamp_client_start(t.c);
  opamp_event *e = next(&t, NULL, OPAMP_EVENT_LOG);
  CHECK(strstr(opamp_event_text(e).ptr, "instance_uid.bad-1") != NULL);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_LEVEL), OPAMP_LOG_WARN);
  opamp_event_free(e);
  skip(&t, NULL, OPAMP_EVENT_DELIVERED);
  client_free(&t);
  remove_all(dir);
  stub_free(s);
}

/* Covers: SET-7 */
TEST(options_that_do_not_go_together) {
  stub *s = stub_new();
  opamp_options *o = rt_options(s, true);
  opamp_client *c = NULL;
  opamp_options_set_number(o, OPAMP_OPT_REQUEST_CERTIFICATE, 1);
  CHECK_EQ(opamp_client_new(&c, NULL, o), OPAMP_ERR_INVALID);
  opamp_options_set_number(o, OPAMP_OPT_REQUEST_CERTIFICATE, 0);
  opamp_options_set_number(o, OPAMP_OPT_STORE, 1);
  opamp_options_set_text(o, OPAMP_TEXT_STATE_DIR, "/tmp/x");
  CHECK_EQ(opamp_client_new(&c, NULL, o), OPAMP_ERR_INVALID);
  opamp_options_set_number(o, OPAMP_OPT_STORE, 0);
  opamp_options_set_text(o, OPAMP_TEXT_STATE_DIR, NULL);
  CHECK_EQ(opamp_client_new(&c, NULL, o), OPAMP_OK);
  CHECK_EQ(opamp_client_request_certificate(c), OPAMP_ERR_STATE);
  opamp_client_free(c);
  opamp_options_free(o);
  stub_free(s);
}

/* Covers: SET-7, SEC-2 */
TEST(a_request_for_a_certificate) {
  stub *s = stub_new();
  shelf kept = {.count = 0};
  rt t = started(s, &kept, true);
  CHECK_EQ(opamp_client_request_certificate(t.c), OPAMP_OK);
  skip(&t, &kept, OPAMP_EVENT_DELIVERED);
  size_t len;
  uint8_t *sent =
      stub_view(s, OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_REQUEST, &len);
  CHECK(sent != NULL);
  CHECK(memmem(sent, len, "BEGIN CERTIFICATE REQUEST", 25) != NULL);
  CHECK(memmem(sent, len, "PRIVATE KEY", 11) == NULL);
  int key = slot(&kept, opamp_str_of("private_key"));
  CHECK(key >= 0 && kept.secret[key]);
  CHECK(memmem(kept.value[key], kept.len[key], "BEGIN PRIVATE KEY", 17) !=
        NULL);
  free(sent);
  client_free(&t);
  shelf_free(&kept);
  stub_free(s);
}

/* --- nothing of a secret stays -------------------------------------------- */

static const char secret[] = "t0p-s3cr3t-t0ken";

/* Covers: SEC-2 */
static void secrets_are_wiped(bool websocket) {
  stub *s = stub_new();
  shelf kept = {.count = 0};
  char token[32];
  rt t = started(s, &kept, websocket);
  freed_watch(secret);
  stub_push(s, settings_offer("s", secret));
  settled(&t, &kept, OPAMP_CONNECTION_SETTINGS_STATUSES_APPLIED);
  skip(&t, &kept, OPAMP_EVENT_DELIVERED);
  stub_header(s, "Token", token, sizeof token);
  CHECK_STR(token, secret);
  stub_push(s, settings_offer("t", "another"));
  settled(&t, &kept, OPAMP_CONNECTION_SETTINGS_STATUSES_APPLIED);
  client_free(&t);
  CHECK_EQ(freed_leaks(), 0);
  shelf_free(&kept);
  stub_free(s);
}

TEST(secrets_are_wiped_websocket) {
  secrets_are_wiped(true);
}

TEST(secrets_are_wiped_http) {
  secrets_are_wiped(false);
}

TEST(a_leak_would_be_seen) {
  freed_watch(secret);
  opamp__free(opamp__strndup(secret, sizeof secret));
  CHECK_EQ(freed_leaks(), 1);
}
