/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/utf8.h"
#include "opamp/message.h"
#include "opamp/typed.h"

/* --- setters -------------------------------------------------------------- */

/* Noted, because the default depends on other options. */
static bool set_deadline(const cli_option *o, void *target, const char *value,
                         char *why, size_t room) {
  agent_options *a = target;
  return connection_set_number(o, target, value, why, room) &&
         cli_parse_number(value, &a->offer_deadline_ms);
}

static bool set_uid(const cli_option *o, void *target, const char *value,
                    char *why, size_t room) {
  agent_options *a = target;
  uint8_t uid[OPAMP_UID_LEN];
  opamp_bytes bytes = {uid, sizeof uid};
  (void)o;
  if (opamp_uid_parse(uid, opamp_str_of(value)) == OPAMP_OK &&
      opamp_options_set_instance_uid(a->connection.library, bytes) == OPAMP_OK)
    return true;
  snprintf(why, room, "'%s' is no UUID, or the zero one", value);
  return false;
}

static bool add_attribute(const cli_option *o, void *target, const char *value,
                          char *why, size_t room) {
  if (!utf8_valid(value, strlen(value)))
    snprintf(why, room, "is not UTF-8");
  else if (*value == '=' || strchr(value, '=') == NULL)
    snprintf(why, room, "'%s' is not KEY=VALUE", value);
  else
    return cli_add_text(o, target, value, why, room);
  return false;
}

static bool set_service_name(const cli_option *o, void *target,
                             const char *value, char *why, size_t room) {
  if (utf8_valid(value, strlen(value)))
    return cli_set_text(o, target, value, why, room);
  snprintf(why, room, "is not UTF-8");
  return false;
}

/* --- capabilities --------------------------------------------------------- */

/* The first name without a sign empties the set; what stands before it is then
 * lost, as in any list that is read from left to right. */
bool agent_capabilities_parse(const char *list, uint64_t *bits, char *why,
                              size_t room) {
  bool replaced = false;
  for (const char *s = list;; s++) {
    size_t len = strcspn(s, ",");
    char sign = *s == '+' || *s == '-' ? *s : '\0';
    char name[80];
    size_t skip = sign != '\0' ? 1 : 0;
    snprintf(name, sizeof name, "%.*s", (int)(len - skip), s + skip);
    uint64_t bit = opamp_agent_capability_by_name(name);
    if (bit == 0) {
      snprintf(why, room, "'%s' is no capability", name);
      return false;
    }
    if (bit == OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES && sign != '-') {
      snprintf(why, room,
               "%s needs a package manager, which this version "
               "does not have",
               name);
      return false;
    }
    if (sign == '\0' && !replaced) *bits = 0;
    replaced = replaced || sign == '\0';
    *bits = sign == '-' ? *bits & ~bit : *bits | bit;
    s += len;
    if (*s == '\0') return true;
  }
}

static bool set_capabilities(const cli_option *o, void *target,
                             const char *value, char *why, size_t room) {
  uint64_t ignored = 0; /* the default depends on other options */
  (void)o;
  ((agent_options *)target)->capability_list = value;
  return agent_capabilities_parse(value, &ignored, why, room);
}

/* What lets a server change the machine is on only when an option says what to
 * do with it. */
static uint64_t default_capabilities(const agent_options *o) {
  uint64_t bits = OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS |
                  OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
                  OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT;
  if (o->config_dir != NULL || o->apply != NULL || o->answer >= 0)
    bits |= OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
            OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG |
            OPAMP_AGENT_CAPABILITIES_REPORTS_EFFECTIVE_CONFIG;
  if (o->on_restart != NULL)
    bits |= OPAMP_AGENT_CAPABILITIES_ACCEPTS_RESTART_COMMAND;
  if (opamp_options_number(o->connection.library,
                           OPAMP_OPT_REQUEST_CERTIFICATE) != 0)
    bits |= OPAMP_AGENT_CAPABILITIES_ACCEPTS_OPAMP_CONNECTION_SETTINGS |
            OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS;
  return bits;
}

/* --- the table ------------------------------------------------------------ */

#define AT(member) offsetof(agent_options, member)
#define SWITCH(name, group, help, member) \
  { name, NULL, group, help, NULL, cli_set_switch, AT(member), 0 }
#define TEXT(name, arg, group, help, member) \
  { name, arg, group, help, NULL, cli_set_text, AT(member), 0 }
#define NUMBER(name, arg, group, help, key) \
  { name, arg, group, help, NULL, connection_set_number, 0, key }
#define LIBRARY_SWITCH(name, group, help, key) \
  { name, NULL, group, help, NULL, connection_set_switch, 0, key }

static const cli_option behaviour_rows[] = {
    TEXT("config-dir", "DIR", "Configuration",
         "The files of an offered configuration are put here, all at once; its "
         "parent directory must be writable. Without it offers are events, and "
         "answered by --answer.",
         config_dir),
    TEXT("apply", "CMD", NULL,
         "Run with /bin/sh -c when the files are in place; OPAMP_CONFIG_DIR, "
         "OPAMP_CONFIG_HASH and OPAMP_CONFIG_FILES (how many) are in its "
         "environment. Exit status 0 means APPLIED, anything else FAILED with "
         "the last 4 KiB of its output; then the old files come back and it "
         "is run again. Without --config-dir the files are in a private "
         "directory that is removed afterwards.",
         apply),
    {"apply-timeout", "MS", NULL,
     "After this its process group is killed, and the configuration FAILED.",
     "60000", cli_set_number, AT(apply_timeout_ms), 0},
    {"answer", "applied|failed|pending|manual", NULL,
     "The verdict on an offer when there is no --apply. manual: the command "
     "config_status decides; pending: nobody does, and the deadline must.",
     "applied with --config-dir, else manual", cli_set_choice, AT(answer), 0},
    {"offer-deadline", "MS", NULL,
     "An offer unanswered for this long is FAILED. With --apply the default is "
     "long enough for three runs of it.",
     NULL, set_deadline, 0, OPAMP_OPT_OFFER_DEADLINE},
    TEXT("on-restart", "CMD", NULL,
         "Run with /bin/sh -c when the server sends a restart command. Without "
         "it the command is an event, and --apply is run again.",
         on_restart),

    {"instance-uid", "UUID", "Identity", "The instance uid.",
     "that of --state-dir, else a new UUIDv7", set_uid, 0, 0},
    {"service-name", "NAME", NULL, "The attribute service.name.", "opamp-agent",
     set_service_name, AT(service_name), 0},
    {"identify", "KEY=VALUE", NULL,
     "One more identifying attribute. Repeatable.", NULL, add_attribute,
     AT(identify), 0},
    {"describe", "KEY=VALUE", NULL,
     "One more non-identifying attribute. Repeatable.", NULL, add_attribute,
     AT(describe), 0},
    SWITCH("no-default-attributes", NULL,
           "Only the attributes given here: no service.instance.id, os.type, "
           "host.name and the like.",
           no_default_attributes),
    {"capabilities", "LIST", NULL,
     "Names separated by commas. +Name and -Name change the default, names "
     "alone replace it, whatever other options are given. The default grows "
     "with --config-dir, --apply or --answer by AcceptsRemoteConfig, "
     "ReportsRemoteConfig and ReportsEffectiveConfig, with --on-restart by "
     "AcceptsRestartCommand, with --request-certificate by "
     "AcceptsOpAMPConnectionSettings and ReportsConnectionSettingsStatus.",
     "ReportsStatus,ReportsHealth,ReportsHeartbeat", set_capabilities, 0, 0},
    {"state-dir", "DIR", NULL,
     "Keeps the instance uid, the last configuration and accepted connection "
     "settings over restarts. Made when it is missing; one agent at a time.",
     NULL, connection_set_text, 0, OPAMP_TEXT_STATE_DIR},
    CLI_END};

/* After those of every connection. */
static const cli_option more_connection_rows[] = {
    TEXT("header-command", "CMD", NULL,
         "Run with /bin/sh -c at start and after 401 or 403; each line 'NAME: "
         "VALUE' of its output is a header, instead of those of the same name. "
         "Killed after 30 seconds.",
         header_command),
    NUMBER("heartbeat", "MS", NULL, "Silence before a heartbeat is sent.",
           OPAMP_OPT_HEARTBEAT),
    NUMBER("poll-interval", "MS", NULL, "Between two HTTP requests.",
           OPAMP_OPT_POLL_INTERVAL),
    NUMBER("max-receive", "BYTES", NULL, "The largest message taken.",
           OPAMP_OPT_MAX_RECEIVE),
    NUMBER("max-send", "BYTES", NULL, "The largest message sent.",
           OPAMP_OPT_MAX_SEND),
    CLI_END};

static const cli_option timing_rows[] = {
    NUMBER("connect-timeout", "MS", "Timing", "Dialling, TLS and upgrade.",
           OPAMP_OPT_CONNECT_TIMEOUT),
    NUMBER("request-timeout", "MS", NULL, "One HTTP request.",
           OPAMP_OPT_REQUEST_TIMEOUT),
    NUMBER("response-timeout", "MS", NULL,
           "A WebSocket message that is not answered.",
           OPAMP_OPT_RESPONSE_TIMEOUT),
    NUMBER("ping-interval", "MS", NULL,
           "Silence on a WebSocket before a ping; 0 for never.",
           OPAMP_OPT_PING_INTERVAL),
    NUMBER("pong-timeout", "MS", NULL, "For the answer to a ping.",
           OPAMP_OPT_PONG_TIMEOUT),
    NUMBER("stop-timeout", "MS", NULL, "For the whole of a stop.",
           OPAMP_OPT_STOP_TIMEOUT),
    NUMBER("backoff-min", "MS", NULL, "The first wait after a failure.",
           OPAMP_OPT_BACKOFF_MIN),
    NUMBER("backoff-max", "MS", NULL, "The longest wait.",
           OPAMP_OPT_BACKOFF_MAX),
    NUMBER("reconnect-delay", "MS", NULL,
           "The most it waits after a connection that had been useful.",
           OPAMP_OPT_RECONNECT_DELAY),
    NUMBER("useful-after", "MS", NULL,
           "A connection of this age had been useful.", OPAMP_OPT_USEFUL_AFTER),
    NUMBER("throttle-wait", "MS", NULL,
           "The first wait after 429 or 503 without Retry-After.",
           OPAMP_OPT_THROTTLE_WAIT),
    NUMBER("parked-retry", "MS", NULL,
           "State the server refused is tried again after this.",
           OPAMP_OPT_PARKED_RETRY),
    {"for", "MS", NULL, "Stop after this time.", "never", cli_set_number,
     AT(for_ms), 0},

    LIBRARY_SWITCH("request-certificate", "Offered connection settings",
                   "Asks the server for a client certificate, and for the next "
                   "one in time. Needs --state-dir.",
                   OPAMP_OPT_REQUEST_CERTIFICATE),
    NUMBER("certificate-renew-percent", "N", NULL,
           "When the next one is asked for: when that much of the life of the "
           "last is over.",
           OPAMP_OPT_CERTIFICATE_RENEW_PERCENT),
    LIBRARY_SWITCH("allow-weaker-tls", NULL,
                   "Takes offers that make TLS weaker: no verification, an "
                   "older version, no TLS.",
                   OPAMP_OPT_ALLOW_WEAKER_TLS),
    NUMBER("trial-timeout", "MS", NULL,
           "For a connection with offered settings, until the first answer.",
           OPAMP_OPT_TRIAL_TIMEOUT),
    NUMBER("trial-interval", "MS", NULL, "Between two such trials.",
           OPAMP_OPT_TRIAL_INTERVAL),

    SWITCH("json", "Input and output",
           "Events as JSON, one object per line, on standard output; without "
           "it one line for people per event.",
           json),
    SWITCH("json-bodies", NULL,
           "The files of an offer are in its event, as base64.", json_bodies),
    SWITCH("control", NULL,
           "Read commands as JSON, one object per line, on standard input; "
           "its end is a stop command.",
           control),
    {"log", "error|warn|info|debug", NULL,
     "How much is said on standard error.", "warn", cli_set_choice, AT(log), 0},
    CLI_END};

static const cli_option *const tables[] = {connection_url,
                                           behaviour_rows,
                                           connection_rows,
                                           more_connection_rows,
                                           connection_tls_rows,
                                           timing_rows,
                                           NULL};

const cli_tool agent_tool = {
    "opamp-agent",
    "a complete OpAMP agent for anything that has a configuration file",
    "[options] URL",
    "Connects to the OpAMP server at URL (ws://, wss://, http:// or https://; "
    "the path is /v1/opamp when there is none), reports what it is told to, "
    "puts offered configuration files into a directory, and runs a command to "
    "apply them.\n"
    "SIGTERM and SIGINT stop it within --stop-timeout, a second one at once. "
    "SIGHUP reads the configuration directory again and reports it.\n",
    tables,
    connection_default};

/* --- after the last option ------------------------------------------------ */

/* An apply must not be overtaken by the deadline of its offer: it may have to
 * wait for an older one and for the run that restores the files before that. */
static void stretch_deadline(agent_options *o) {
  uint64_t most = opamp_option_max(OPAMP_OPT_OFFER_DEADLINE);
  uint64_t ms = o->apply_timeout_ms;
  if (o->apply == NULL || o->offer_deadline_ms != 0) return;
  ms = ms > 0 && ms < (most - 10000) / 3 ? 3 * ms + 10000 : most;
  if (ms > opamp_option_default(OPAMP_OPT_OFFER_DEADLINE))
    opamp_options_set_number(o->connection.library, OPAMP_OPT_OFFER_DEADLINE,
                             ms);
}

static int settle(agent_options *o) {
  char why[200];
  uint64_t bits = default_capabilities(o);
  int code = connection_settle(&agent_tool, &o->connection);
  if (code >= 0) return code;
  if (o->config_dir != NULL && *o->config_dir == '\0')
    return cli_usage(&agent_tool, "--config-dir: is empty");
  if (o->capability_list != NULL &&
      !agent_capabilities_parse(o->capability_list, &bits, why, sizeof why))
    return cli_usage(&agent_tool, "--capabilities: %s", why);
  o->capabilities = bits | OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS;
  if (o->answer < 0)
    o->answer = o->config_dir != NULL ? ANSWER_APPLIED : ANSWER_MANUAL;
  stretch_deadline(o);
  opamp_options *l = o->connection.library;
  opamp_options_set_capabilities(l, o->capabilities);
  opamp_options_set_number(l, OPAMP_OPT_LOG_LEVEL,
                           (uint64_t)o->log + OPAMP_LOG_ERROR);
  opamp_options_set_number(l, OPAMP_OPT_TRACE_MESSAGES, 1);
  return -1;
}

int agent_options_parse(agent_options *o, int argc, char **argv) {
  *o = (agent_options){.apply_timeout_ms = 60000, .answer = -1};
  o->log = OPAMP_LOG_WARN - OPAMP_LOG_ERROR;
  if (!connection_begin(&agent_tool, &o->connection)) return CLI_EXIT_START;
  int code = cli_parse(&agent_tool, o, argc, argv);
  return code >= 0 ? code : settle(o);
}

void agent_options_free(agent_options *o) {
  connection_free(&o->connection);
  cli_list_free(&o->identify);
  cli_list_free(&o->describe);
}
