/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt.h"

/* --- what client_new refuses ---------------------------------------------- */

static opamp_status try_new(opamp_options *o) {
  opamp_client *c = (opamp_client *)o; /* must be overwritten */
  opamp_status status = opamp_client_new(&c, NULL, o);
  CHECK(status != OPAMP_OK && c == NULL);
  return status;
}

TEST(no_url) {
  opamp_options *o;
  opamp_options_new(&o);
  CHECK_EQ(try_new(o), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "url") != NULL);
  opamp_options_free(o);
}

/* Covers: SET-8 */
TEST(missing_ca_file) {
  opamp_options *o;
  opamp_options_new(&o);
  opamp_options_set_text(o, OPAMP_TEXT_URL, "wss://localhost");
  opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, "/nowhere/ca.pem");
  CHECK_EQ(try_new(o), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "/nowhere/ca.pem") != NULL);
  /* Also for a URL without TLS: a redirect may lead there. */
  opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://localhost");
  CHECK_EQ(try_new(o), OPAMP_ERR_IO);
  opamp_options_free(o);
}

/* Covers: SET-8 */
TEST(certificate_that_is_none) {
  opamp_options *o;
  opamp_options_new(&o);
  opamp_options_set_text(o, OPAMP_TEXT_URL, "https://localhost");
  opamp_options_set_text(o, OPAMP_TEXT_TLS_CERT_PEM, "nonsense");
  opamp_options_set_text(o, OPAMP_TEXT_TLS_KEY_PEM, "secret nonsense");
  opamp_status status = try_new(o);
  CHECK(status == OPAMP_ERR_TLS || status == OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "secret nonsense") == NULL);
  opamp_options_free(o);
}

TEST(attribute_that_is_not_utf8) {
  opamp_msg *m;
  opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION);
  CHECK_EQ(opamp_description_identify(m, "service.name", "\xff"),
           OPAMP_ERR_UTF8);
  opamp_msg_free(m);
}

/* --- looking in ----------------------------------------------------------- */

TEST(getters_need_no_loop) {
  rt t = rt_new(true);
  uint8_t uid[OPAMP_UID_LEN];
  char text[100];
  size_t len = 3;
  CHECK_EQ(opamp_client_state(t.c), OPAMP_STATE_STOPPED);
  CHECK_STR(opamp_state_name(OPAMP_STATE_STOPPED), "stopped");
  CHECK(opamp_state_name(99) == NULL);
  CHECK(opamp_client_state_since_ms(t.c) < 10000);
  CHECK_EQ(opamp_client_next_retry_ms(t.c), -1);
  CHECK_EQ(opamp_client_sequence_num(t.c), -1);
  CHECK_EQ(opamp_client_server_capabilities(t.c), 0);
  CHECK_EQ(opamp_client_parked(t.c), 0);
  CHECK_EQ(opamp_client_counter(t.c, 999), 0);
  CHECK(opamp_counter_name(OPAMP_COUNT_END) == NULL);
  for (int i = 0; i < OPAMP_COUNT_END; i++) {
    CHECK(opamp_counter_name(i) != NULL);
    CHECK_EQ(opamp_client_counter(t.c, i), 0);
  }
  opamp_client_instance_uid(t.c, uid);
  CHECK_EQ(uid[6] >> 4, 7); /* a UUIDv7 */
  CHECK_EQ(opamp_client_endpoint(t.c, text, &len), OPAMP_ERR_SPACE);
  CHECK_EQ(len, strlen(stub_url(t.s, true)));
  len = sizeof text;
  CHECK_EQ(opamp_client_endpoint(t.c, text, &len), OPAMP_OK);
  CHECK_STR(text, stub_url(t.s, true));
  len = sizeof text;
  CHECK_EQ(opamp_client_last_error(t.c, text, &len), OPAMP_OK);
  CHECK_EQ(len, 0);
  len = 0;
  CHECK_EQ(opamp_client_remote_config_hash(t.c, NULL, &len), OPAMP_OK);
  CHECK_EQ(len, 0);
  rt_set_health(t.c, "x");
  CHECK_EQ(opamp_client_undelivered(t.c), UINT64_C(1)
                                              << OPAMP_AGENT_TO_SERVER_HEALTH);
  opamp_client_set_capabilities(t.c, 0);
  CHECK_EQ(opamp_client_capabilities(t.c),
           OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS);
  rt_free(&t);
}

/* Of all that can be set, before anybody drives: nothing that waits is taken for
 * delivered. */
TEST(what_waits_is_not_delivered) {
  rt t = rt_new(true);
  opamp_msg *declared;
  opamp_bytes hash = {(const uint8_t *)"h", 1};
  uint64_t custom = UINT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_CAPABILITIES |
                    UINT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE;
  CHECK_EQ(opamp_client_undelivered(t.c), 0);
  CHECK_EQ(opamp_client_set_remote_config_status(
               t.c, hash, OPAMP_REMOTE_CONFIG_STATUSES_APPLIED, NULL),
           OPAMP_OK);
  CHECK_EQ(opamp_client_undelivered(t.c),
           UINT64_C(1) << OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS);
  CHECK_EQ(opamp_client_set_connection_settings_status(
               t.c, hash, OPAMP_CONNECTION_SETTINGS_STATUSES_FAILED, "no"),
           OPAMP_OK);
  CHECK(opamp_client_undelivered(t.c) >>
            OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS &
        1);
  CHECK_EQ(opamp_msg_new(&declared, OPAMP_MSG_CUSTOM_CAPABILITIES), OPAMP_OK);
  CHECK_EQ(opamp_msg_set_str(declared, OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES,
                             OPAMP_STR("x")),
           OPAMP_OK);
  CHECK_EQ(opamp_client_set_custom_capabilities(t.c, declared), OPAMP_OK);
  CHECK_EQ(opamp_client_send_custom(t.c, "x", "y", hash), OPAMP_OK);
  CHECK_EQ(opamp_client_undelivered(t.c) & custom, custom);
  opamp_msg_free(declared);
  rt_free(&t);
}

/* The same answers, from any loop and after any failure. */
TEST(the_last_error_is_kept) {
  rt t = rt_new(true);
  char text[400];
  size_t len = sizeof text;
  stub_down(t.s);
  opamp_client_start(t.c);
  rt_skip(t.l, OPAMP_EVENT_CONNECT_FAILED);
  CHECK_EQ(opamp_client_last_error(t.c, text, &len), OPAMP_OK);
  CHECK(len > 0);
  CHECK_EQ(opamp_client_counter(t.c, OPAMP_COUNT_CONNECT_FAILURES) > 0, 1);
  rt_free(&t);
}

TEST(names_of_events) {
  for (int kind = OPAMP_EVENT_CONNECTING; kind <= OPAMP_EVENT_TRANSPORT_CLOSE;
       kind++)
    CHECK(opamp_event_kind_name(kind) != NULL);
  CHECK(opamp_event_kind_name(0) == NULL);
  CHECK(opamp_event_kind_name(OPAMP_EVENT_STORE_ERASE + 1) == NULL);
  CHECK(opamp_event_kind_name(-1) == NULL);
}

/* --- manners -------------------------------------------------------------- */

/* Covers: CONN-2, CONN-13 */
TEST(start_never_waits_for_the_network) {
  rt t = rt_new(true);
  opamp_client *down, *unknown;
  uint64_t begun;
  stub_down(t.s);
  CHECK_EQ(opamp_client_new(&down, t.l, t.o), OPAMP_OK);
  opamp_options_set_text(t.o, OPAMP_TEXT_URL, "ws://no-such-host.invalid");
  CHECK_EQ(opamp_client_new(&unknown, t.l, t.o), OPAMP_OK);
  begun = rt_now_ms();
  CHECK_EQ(opamp_client_start(down), OPAMP_OK);
  CHECK_EQ(opamp_client_start(unknown), OPAMP_OK);
  CHECK_EQ(opamp_client_start(unknown), OPAMP_OK);
  for (int i = 0; i < 20; i++) CHECK(opamp_loop_poll(t.l, 0) >= 0);
  CHECK(rt_now_ms() - begun < 1000);
  rt_skip(t.l, OPAMP_EVENT_CONNECT_FAILED);
  opamp_client_free(down);
  opamp_client_free(unknown);
  rt_free(&t);
}

static void on_pipe(int sig) {
  (void)sig;
}

/* Covers: PROC-1 */
TEST(sigpipe_stays_as_the_host_has_it) {
  struct sigaction mine = {.sa_handler = on_pipe}, before, now;
  sigset_t blocked;
  sigaction(SIGPIPE, &mine, &before);
  rt t = rt_connected(true);
  sigaction(SIGPIPE, NULL, &now);
  CHECK(now.sa_handler == on_pipe);
  CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
  CHECK(!sigismember(&blocked, SIGPIPE));
  rt_free(&t);
  sigaction(SIGPIPE, NULL, &now);
  CHECK(now.sa_handler == on_pipe);
  sigaction(SIGPIPE, &before, NULL);
}

/* With the default disposition a single SIGPIPE would end this program. */
/* Covers: PROC-1 */
TEST(a_dead_socket_does_not_kill) {
  struct sigaction deadly = {.sa_handler = SIG_DFL}, before;
  sigaction(SIGPIPE, &deadly, &before);
  rt t = rt_connected(true);
  for (int i = 0; i < 20; i++) {
    stub_reset_all(t.s);
    for (int k = 0; k < 3; k++) {
      rt_set_health(t.c, k == 0 ? "a" : k == 1 ? "b" : "c");
      opamp_event_free(opamp_loop_next_event(t.l));
      opamp_loop_poll(t.l, 1);
    }
  }
  rt_set_health(t.c, "d");
  rt_delivered(t.l, t.c);
  rt_free(&t);
  sigaction(SIGPIPE, &before, NULL);
}

/* Covers: PROC-2 */
TEST(a_forked_child_is_refused) {
  rt t = rt_connected(true);
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    opamp_client *c;
    bool ok = opamp_loop_poll(t.l, 0) == OPAMP_ERR_FORKED &&
              opamp_loop_dispatch(t.l) == OPAMP_ERR_FORKED &&
              opamp_loop_start_thread(t.l) == OPAMP_ERR_FORKED &&
              opamp_client_set_health(t.c, NULL) == OPAMP_ERR_FORKED &&
              opamp_client_stop(t.c) == OPAMP_ERR_FORKED &&
              opamp_client_new(&c, t.l, t.o) == OPAMP_ERR_FORKED &&
              opamp_loop_next_event(t.l) == NULL;
    opamp_client_free(t.c);
    opamp_loop_free(t.l);
    _exit(ok ? 0 : 1);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
  CHECK_EQ(stub_connections(t.s), 1); /* the parent's lives on */
  rt_set_health(t.c, "still here");
  rt_delivered(t.l, t.c);
  rt_free(&t);
}

/* Covers: HTTP-2 */
TEST(headers_are_replaced_from_the_next_request_on) {
  rt t = rt_new(false);
  const char *name = "Authorization", *value = "Bearer new", *bad = "a\nb";
  char seen[64];
  CHECK_EQ(opamp_client_set_headers(t.c, &name, &bad, 1), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_set_headers(t.c, &name, &value, 1), OPAMP_OK);
  opamp_client_start(t.c);
  rt_delivered(t.l, t.c);
  stub_header(t.s, name, seen, sizeof seen);
  CHECK_STR(seen, "Bearer new");
  stub_header(t.s, "OpAMP-Instance-UID", seen, sizeof seen);
  CHECK_EQ(strlen(seen), 36);
  value = "Bearer newer";
  CHECK_EQ(opamp_client_set_headers(t.c, &name, &value, 1), OPAMP_OK);
  rt_set_health(t.c, "x");
  rt_messages(&t, stub_messages(t.s) + 1);
  stub_header(t.s, name, seen, sizeof seen);
  CHECK_STR(seen, "Bearer newer");
  rt_free(&t);
}

static stub_deed forbid(void *ctx, stub_point at) {
  (void)ctx;
  return at == STUB_REQUEST ? STUB_FORBID : STUB_SERVE;
}

static void answer_401(bool websocket) {
  rt t = rt_new(websocket);
  const char *name = "Authorization", *value = "Bearer fresh";
  char seen[64];
  opamp_event *e;
  opamp_client *c;
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MAX, 3600000);
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MIN, 3600000);
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  stub_set_policy(t.s, forbid, NULL);
  opamp_client_start(c);
  e = rt_event(t.l, OPAMP_EVENT_CREDENTIALS_WANTED);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_HTTP_STATUS), 401);
  opamp_event_free(e);
  stub_set_policy(t.s, NULL, NULL);
  CHECK_EQ(opamp_client_set_headers(c, &name, &value, 1), OPAMP_OK);
  rt_delivered(t.l, c); /* without an hour of backoff */
  stub_header(t.s, name, seen, sizeof seen);
  CHECK_STR(seen, "Bearer fresh");
  opamp_client_free(c);
  rt_free(&t);
}

/* Covers: HTTP-7 */
TEST(new_headers_answer_a_401_http) {
  answer_401(false);
}

/* Covers: CONN-8 */
TEST(new_headers_answer_a_401_websocket) {
  answer_401(true);
}
