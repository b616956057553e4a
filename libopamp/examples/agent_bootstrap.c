/* SPDX-License-Identifier: Apache-2.0 */

/* A first connection, and what it is exchanged for: a client certificate of
 * the agent's own, which the state directory DIR keeps for all later starts.
 *
 *   agent_bootstrap token URL DIR CA.pem
 *     The server lets in who has the token, read from the environment as
 *     OPAMP_TOKEN. An offer without headers takes the token back.
 *   agent_bootstrap first-use URL DIR
 *     Neither knows the other. The agent believes whoever answers the first
 *     time, so use it only where nobody else can; the server, or a person
 *     there, decides whom it gives a certificate. Its authority comes with the
 *     offer (tls.ca_pem_contents), and from then on nobody else is believed.
 *
 * Ctrl-C ends it in good order.
 *
 *   cc agent_bootstrap.c $(pkg-config --cflags --libs libopamp) \
 *     -o agent_bootstrap
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static opamp_loop *loop;
static volatile sig_atomic_t stopping;

static void on_signal(int sig) {
  (void)sig;
  stopping = 1;
  opamp_loop_wake(loop);
}

/* --- the two ways in ------------------------------------------------------ */

static char bearer[4096]; /* "Bearer " and the token */

static bool read_token(void) {
  const char *token = getenv("OPAMP_TOKEN");
  int n =
      snprintf(bearer, sizeof bearer, "Bearer %s", token != NULL ? token : "");
  if (token != NULL && n < (int)sizeof bearer) return true;
  fprintf(stderr, "agent_bootstrap: OPAMP_TOKEN: %s\n",
          token == NULL ? "not set" : "too long");
  return false;
}

static bool with_token(opamp_options *o, const char *ca_file) {
  return opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, ca_file) ==
             OPAMP_OK &&
         opamp_options_add_header(o, "Authorization", bearer) == OPAMP_OK;
}

/* Offered settings with an authority go before this, at later starts too. */
static bool on_first_use(opamp_options *o) {
  return opamp_options_set_number(o, OPAMP_OPT_TLS_INSECURE, 1) == OPAMP_OK;
}

/* --- the agent ------------------------------------------------------------ */

/* What is kept in DIR goes before the URL and all that is set here. */
static bool set_up(opamp_options *o, char **argv) {
  const char *url = argv[2], *dir = argv[3], *ca_file = argv[4];
  return opamp_options_set_text(o, OPAMP_TEXT_URL, url) == OPAMP_OK &&
         opamp_options_set_text(o, OPAMP_TEXT_STATE_DIR, dir) == OPAMP_OK &&
         opamp_options_set_number(o, OPAMP_OPT_REQUEST_CERTIFICATE, 1) ==
             OPAMP_OK &&
         opamp_options_set_capabilities(
             o,
             OPAMP_CAPABILITIES_DEFAULT |
                 OPAMP_AGENT_CAPABILITIES_ACCEPTS_OPAMP_CONNECTION_SETTINGS |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS) ==
             OPAMP_OK &&
         (ca_file != NULL ? with_token(o, ca_file) : on_first_use(o));
}

static void on_event(opamp_event *e, void *user_data) {
  (void)user_data;
  printf("%s %s\n", opamp_event_kind_name(opamp_event_kind(e)),
         opamp_str_z(opamp_event_text(e)));
}

static bool make_agent(opamp_client **agent, char **argv) {
  opamp_callbacks callbacks = {.struct_size = sizeof callbacks,
                               .on_other = on_event};
  opamp_options *o = NULL;
  bool ok =
      opamp_options_new(&o) == OPAMP_OK && set_up(o, argv) &&
      opamp_client_new(agent, NULL, o) == OPAMP_OK &&
      opamp_client_set_callbacks(*agent, &callbacks, NULL) == OPAMP_OK &&
      opamp_client_report_service(*agent, "agent_bootstrap", NULL) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

static bool understood(int argc, char **argv) {
  if (argc == 5) return strcmp(argv[1], "token") == 0;
  return argc == 4 && strcmp(argv[1], "first-use") == 0;
}

int main(int argc, char **argv) {
  opamp_client *agent = NULL;
  if (!understood(argc, argv)) return 2;
  if (argc == 5 && !read_token()) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!make_agent(&agent, argv)) {
    fprintf(stderr, "agent_bootstrap: %s\n", opamp_errmsg());
    opamp_client_free(agent);
    return 1;
  }
  loop = opamp_client_loop(agent);
  signal(SIGINT, on_signal);
  opamp_client_start(agent);
  while (!stopping) opamp_loop_poll(loop, -1);
  opamp_client_stop(agent);
  while (opamp_client_state(agent) != OPAMP_STATE_STOPPED)
    opamp_loop_poll(loop, -1);
  opamp_client_free(agent);
}
