/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "opamp/typed.h"

enum { MAX_AGENTS = 1000000 };

static bool set_duration(const cli_option *o, void *target, const char *value,
                         char *why, size_t room) {
  ((fleet_options *)target)->has_duration = true;
  return cli_set_number(o, target, value, why, room);
}

/* One number for both transports. */
static bool set_heartbeat(const cli_option *o, void *target, const char *value,
                          char *why, size_t room) {
  cli_option poll = *o;
  poll.key = OPAMP_OPT_POLL_INTERVAL;
  return connection_set_number(o, target, value, why, room) &&
         connection_set_number(&poll, target, value, why, room);
}

static bool set_percent(const cli_option *o, void *target, const char *value,
                        char *why, size_t room) {
  uint64_t n;
  if (!cli_parse_number(value, &n) || n > 100) {
    snprintf(why, room, "'%s' is no percentage from 0 to 100", value);
    return false;
  }
  return cli_set_number(o, target, value, why, room);
}

/* "10", "0.5" or "10/min". */
static bool set_churn(const cli_option *o, void *target, const char *value,
                      char *why, size_t room) {
  fleet_options *f = target;
  char *end;
  (void)o;
  f->churn_percent = strtod(value, &end);
  if (strspn(value, "0123456789.") > 0 && end != value &&
      (*end == '\0' || strcmp(end, "/min") == 0) && f->churn_percent >= 0 &&
      f->churn_percent <= 100000)
    return true;
  snprintf(why, room, "'%s' is no percentage per minute", value);
  return false;
}

static bool set_rate(const cli_option *o, void *target, const char *value,
                     char *why, size_t room) {
  char digits[24];
  size_t n = strcspn(value, "/");
  if (strcmp(value + n, "") == 0 || strcmp(value + n, "/s") == 0) {
    snprintf(digits, sizeof digits, "%.*s", (int)n, value);
    if (n < sizeof digits && cli_set_number(o, target, digits, why, room))
      return true;
  }
  snprintf(why, room, "'%s' is no number of agents in a second", value);
  return false;
}

static bool set_service_name(const cli_option *o, void *target,
                             const char *value, char *why, size_t room) {
  if (utf8_valid(value, strlen(value)))
    return cli_set_text(o, target, value, why, room);
  snprintf(why, room, "is not UTF-8");
  return false;
}

#define AT(member) offsetof(fleet_options, member)

static const cli_option fleet_rows[] = {
    {"n", "N", "Fleet", "How many agents.", NULL, cli_set_number, AT(n), 0},
    {"rate", "N/s", NULL,
     "Agents that are started in a second. Without it they are started as "
     "fast as they connect.",
     "as fast as possible", set_rate, AT(rate), 0},
    {"duration", "MS", NULL,
     "Ends so long after all agents are connected. Without it a signal ends "
     "it.",
     "until interrupted", set_duration, AT(duration_ms), 0},
    {"heartbeat", "MS", NULL,
     "Silence before a heartbeat is sent; over HTTP the poll interval.", NULL,
     set_heartbeat, 0, OPAMP_OPT_HEARTBEAT},
    {"health-every", "MS", NULL,
     "Each agent reports a changed health this often, all of them evenly "
     "spread.",
     "never", cli_set_number, AT(health_every_ms), 0},
    {"apply-delay", "MS", NULL,
     "How long an agent takes to apply an offered configuration.", "0",
     cli_set_number, AT(apply_delay_ms), 0},
    {"fail-percent", "P", NULL,
     "The share of offered configurations that are answered FAILED.", "0",
     set_percent, AT(fail_percent), 0},
    {"trial-timeout", "MS", NULL,
     "For a connection with offered settings, until the first answer.", NULL,
     connection_set_number, 0, OPAMP_OPT_TRIAL_TIMEOUT},
    {"trial-interval", "MS", NULL, "Between two such trials of an agent.", NULL,
     connection_set_number, 0, OPAMP_OPT_TRIAL_INTERVAL},
    {"churn", "PERCENT/min", NULL,
     "The share of agents that disconnect and come back, in a minute.", "0",
     set_churn, 0, 0},
    {"service-name", "NAME", NULL, "The attribute service.name.", "opamp-fleet",
     set_service_name, AT(service_name), 0},
    {"seed", "N", NULL,
     "What chooses the configurations that fail; equal seeds choose alike.",
     "1", cli_set_number, AT(seed), 0},
    CLI_END};

static const cli_option output_rows[] = {
    {"json", NULL, "Output",
     "The summary as one JSON object; the progress line stays as it is, on "
     "standard error.",
     NULL, cli_set_switch, AT(json), 0},
    CLI_END};

static const cli_option *const tables[] = {connection_url,  fleet_rows,
                                           connection_rows, connection_tls_rows,
                                           output_rows,     NULL};

const cli_tool fleet_tool = {
    "opamp-fleet",
    "a fleet of OpAMP agents in one process",
    "-n N [options] URL",
    "Makes N agents on one loop and one thread, which connect to the OpAMP "
    "server at URL (ws://, wss://, http:// or https://; the path is /v1/opamp "
    "when there is none), report a description and health, send heartbeats, "
    "answer offered configurations, and try offered connection settings.\n"
    "While it runs, a line on standard error says once in a second how many "
    "are connected, messages in a second, failures, and the time from a "
    "message to its answer. At the end a summary is on standard output: "
    "clients, connected, connect_failures, disconnects, "
    "time_to_all_connected_ms and time_to_all_reported_ms (-1: never), "
    "messages_sent, messages_received, bytes_sent, bytes_received (of "
    "messages, not of the network), configs_applied, configs_failed, "
    "settings_applied, settings_failed, healths_reported (changes), "
    "latency_ms {p50, p90, p99, max}, cpu_user_ms, cpu_system_ms, steady "
    "{duration_ms, messages (sent), cpu_ms} from the moment all are connected, "
    "rss_bytes, rss_per_client_bytes (without what the process has before the "
    "first agent), errors {status: count}.\n"
    "It raises its limit of open files to the hard one. SIGTERM and SIGINT "
    "stop all agents in good order and end it, a second one ends it at once.\n",
    tables,
    connection_default};

int fleet_options_parse(fleet_options *o, int argc, char **argv) {
  *o = (fleet_options){.seed = 1, .service_name = "opamp-fleet"};
  if (!connection_begin(&fleet_tool, &o->connection)) return CLI_EXIT_START;
  int code = cli_parse(&fleet_tool, o, argc, argv);
  if (code < 0) code = connection_settle(&fleet_tool, &o->connection);
  if (code >= 0) return code;
  if (o->n == 0) return cli_usage(&fleet_tool, "-n: how many agents?");
  if (o->n > MAX_AGENTS)
    return cli_usage(&fleet_tool, "-n: more than %d", MAX_AGENTS);
  opamp_options *l = o->connection.library;
  opamp_options_set_capabilities(
      l, OPAMP_CAPABILITIES_DEFAULT |
             OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
             OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG |
             OPAMP_AGENT_CAPABILITIES_ACCEPTS_OPAMP_CONNECTION_SETTINGS |
             OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS);
  opamp_options_set_number(l, OPAMP_OPT_TRACE_MESSAGES, 1);
  opamp_options_set_number(l, OPAMP_OPT_LOG_LEVEL, OPAMP_LOG_NONE);
  /* A slow apply is no forgotten one. */
  uint64_t deadline =
      o->apply_delay_ms + opamp_option_default(OPAMP_OPT_OFFER_DEADLINE);
  if (opamp_options_set_number(l, OPAMP_OPT_OFFER_DEADLINE, deadline) !=
      OPAMP_OK)
    return cli_usage(&fleet_tool, "--apply-delay: %llu is too long",
                     (unsigned long long)o->apply_delay_ms);
  return -1;
}

void fleet_options_free(fleet_options *o) {
  connection_free(&o->connection);
}
