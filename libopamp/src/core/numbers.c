/* SPDX-License-Identifier: Apache-2.0 */
#include "core/numbers.h"

#define MINUTE (UINT64_C(60) * 1000)
#define HOUR (60 * MINUTE)
#define MIB (UINT64_C(1) << 20)

static const opamp__number table[] = {
    {OPAMP_OPT_HEARTBEAT, "heartbeat", 30000, 10, 24 * HOUR},
    {OPAMP_OPT_POLL_INTERVAL, "poll-interval", 30000, 10, 24 * HOUR},
    {OPAMP_OPT_CONNECT_TIMEOUT, "connect-timeout", 10000, 1, HOUR},
    {OPAMP_OPT_REQUEST_TIMEOUT, "request-timeout", 30000, 1, HOUR},
    {OPAMP_OPT_RESPONSE_TIMEOUT, "response-timeout", 60000, 1, HOUR},
    {OPAMP_OPT_PING_INTERVAL, "ping-interval", 45000, 0, HOUR},
    {OPAMP_OPT_PONG_TIMEOUT, "pong-timeout", 10000, 1, HOUR},
    {OPAMP_OPT_STOP_TIMEOUT, "stop-timeout", 2000, 1, HOUR},
    {OPAMP_OPT_BACKOFF_MIN, "backoff-min", 1000, 1, HOUR},
    {OPAMP_OPT_BACKOFF_MAX, "backoff-max", 5 * MINUTE, 1, 24 * HOUR},
    {OPAMP_OPT_BACKOFF_PERCENT, "backoff-percent", 200, 100, 1000},
    {OPAMP_OPT_RECONNECT_DELAY, "reconnect-delay", 1000, 0, HOUR},
    {OPAMP_OPT_USEFUL_AFTER, "useful-after", 10000, 0, HOUR},
    {OPAMP_OPT_THROTTLE_WAIT, "throttle-wait", 30000, 1, HOUR},
    {OPAMP_OPT_RETRY_AFTER_MAX, "retry-after-max", HOUR, 1, 24 * HOUR},
    {OPAMP_OPT_OFFER_DEADLINE, "offer-deadline", MINUTE, 1, 24 * HOUR},
    {OPAMP_OPT_PARKED_RETRY, "parked-retry", HOUR, 1, 24 * HOUR},
    {OPAMP_OPT_TRIAL_TIMEOUT, "trial-timeout", 30000, 1, HOUR},
    {OPAMP_OPT_TRIAL_INTERVAL, "trial-interval", MINUTE, 0, HOUR},
    {OPAMP_OPT_HEARTBEAT_MIN, "heartbeat-min", 1000, 10, HOUR},
    {OPAMP_OPT_HEARTBEAT_MAX, "heartbeat-max", HOUR, 10, 24 * HOUR},
    {OPAMP_OPT_STORE_TIMEOUT, "store-timeout", 10000, 1, HOUR},
    {OPAMP_OPT_MAX_RECEIVE, "max-receive", 64 * MIB, 64, 1024 * MIB},
    {OPAMP_OPT_MAX_SEND, "max-send", 64 * MIB, 64, 1024 * MIB},
    {OPAMP_OPT_MAX_REDIRECTS, "max-redirects", 5, 0, 100},
    {OPAMP_OPT_CUSTOM_QUEUE, "custom-queue", 64, 1, 65536},
    {OPAMP_OPT_EVENT_QUEUE, "event-queue", 64, 1, 65536},
    {OPAMP_OPT_CERTIFICATE_RENEW_PERCENT, "certificate-renew-percent", 66, 1,
     99},
    {OPAMP_OPT_COMPRESSION, "compression", 0, 0, 1},
    {OPAMP_OPT_HEARTBEAT_ZERO_DISABLES, "heartbeat-zero-disables", 0, 0, 1},
    {OPAMP_OPT_ALLOW_UNKNOWN_CAPABILITIES, "allow-unknown-capabilities", 0, 0,
     1},
    {OPAMP_OPT_REQUEST_INSTANCE_UID, "request-instance-uid", 0, 0, 1},
    {OPAMP_OPT_NUMERIC_HOSTS, "numeric-hosts", 0, 0, 1},
    {OPAMP_OPT_TLS_SYSTEM_CA, "tls-system-ca", 0, 0, 1},
    {OPAMP_OPT_TLS_INSECURE, "tls-insecure", 0, 0, 1},
    {OPAMP_OPT_OWN_TRANSPORT, "own-transport", 0, 0, 1},
    {OPAMP_OPT_ALLOW_WEAKER_TLS, "allow-weaker-tls", 0, 0, 1},
    {OPAMP_OPT_DROP_ABSENT_CERTIFICATE, "drop-absent-certificate", 0, 0, 1},
    {OPAMP_OPT_PROXY_FROM_ENV, "proxy-from-env", 0, 0, 1},
    {OPAMP_OPT_STORE, "store", 0, 0, 1},
    {OPAMP_OPT_REQUEST_CERTIFICATE, "request-certificate", 0, 0, 1},
    {OPAMP_OPT_UID_PERSIST, "uid-persist", 1, 0, 1},
    {OPAMP_OPT_LOG_LEVEL, "log-level", OPAMP_LOG_WARN, OPAMP_LOG_NONE,
     OPAMP_LOG_DEBUG},
    {OPAMP_OPT_TRACE_MESSAGES, "trace-messages", 0, 0, 1},
};

const opamp__number *opamp__number_find(int key) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].key == key) return &table[i];
  return NULL;
}

const opamp__number *opamp__number_at(size_t i) {
  return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

void opamp__numbers_default(uint64_t values[OPAMP__NUMBERS]) {
  for (int key = 0; key < OPAMP__NUMBERS; key++) values[key] = 0;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    values[table[i].key] = table[i].def;
}
