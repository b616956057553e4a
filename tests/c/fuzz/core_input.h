/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_CORE_INPUT_H
#define OPAMP_TESTS_CORE_INPUT_H

#include "core/core.h"

/* The bytes that drive a core, read by fuzz_core.c and written by
 * seeds_core.c. Numbers are varints; bytes and texts follow their length.
 *
 *   url capabilities store count (option value)…
 *   (CORE_… arguments)…
 *
 * Options are known by their index; store is 1 for a core with one. An input
 * that no transport would give at that moment is passed over. Inputs of the
 * application are fed together up to a CORE_TAKE or the next input of another. */

enum {
  CORE_TAKE,         /* takes all actions */
  CORE_TIME,         /* ms that pass without anybody noticing */
  CORE_TICK,         /* the deadline, if there is any, comes */
  CORE_RANDOM,       /* what the random function returns from now on */
  CORE_NO_MEMORY,    /* the n-th allocation of the next input fails */
  CORE_START,
  CORE_STOP,         /* silent */
  CORE_SET,          /* row, bytes */
  CORE_CAPABILITIES, /* bits */
  CORE_CUSTOM,       /* bytes */
  CORE_STATUS,       /* settings, hash, status, text */
  CORE_ANSWER,       /* offer, verdict, text */
  CORE_FORGET,       /* kind of the offer */
  CORE_FLUSH,
  CORE_HEADERS,
  CORE_HEARTBEAT,    /* ms */
  CORE_OPENED,
  CORE_FRAME,        /* bytes */
  CORE_ALIVE,
  CORE_WRITTEN,
  CORE_CLOSED,       /* why, http status, close code, retry-after + 1, text,
                        location, body */
  CORE_CERTIFICATE,
  CORE_LOADED,       /* key, result, bytes */
  CORE_SAVED,        /* key, result */
  CORE_KEY,          /* result, key, request */
  CORE_INPUTS
};

/* By index in an input. */
static const int core_rows[] = {
    OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION,
    OPAMP_AGENT_TO_SERVER_HEALTH,
    OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG,
    OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS,
    OPAMP_AGENT_TO_SERVER_PACKAGE_STATUSES,
    OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_REQUEST,
    OPAMP_AGENT_TO_SERVER_CUSTOM_CAPABILITIES,
    OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS,
    OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS};
static const int core_offers[] = {OPAMP_EVENT_REMOTE_CONFIG,
                                  OPAMP_EVENT_CONNECTION_SETTINGS,
                                  OPAMP_EVENT_PACKAGES};
static const opamp_status core_closed[] = {
    OPAMP_ERR_TRANSPORT, OPAMP_ERR_TLS,   OPAMP_ERR_HTTP,
    OPAMP_ERR_RESOLVE,   OPAMP_ERR_LIMIT, OPAMP_ERR_CLOSED,
    OPAMP_ERR_FRAME,     OPAMP_ERR_TEXT_FRAME};
static const opamp_status core_results[] = {OPAMP_OK, OPAMP_ERR_NOTFOUND,
                                            OPAMP_ERR_IO};

#define CORE_LEN(array) (sizeof(array) / sizeof *(array))

#endif
