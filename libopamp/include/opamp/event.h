/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_EVENT_H
#define OPAMP_EVENT_H

#include "opamp/message.h"
#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * Everything the library has to say reaches the application as an event, log
 * records included. Events are taken from a loop (loop.h) or handed to the
 * callbacks of a client (client.h), never under a lock.
 *
 * Some events are **questions**: they are answered with opamp_event_accept(),
 * opamp_event_reject() or opamp_event_defer(), from any thread, until their
 * deadline. A question whose event is freed without an answer is deferred; at
 * its deadline (option OFFER_DEADLINE) the server is told FAILED "not answered".
 *
 * What an event lends (texts, bytes, messages) lives until opamp_event_free();
 * in a callback, until it returns.
 *
 * Every CONNECTING is followed by exactly one CONNECTED or CONNECT_FAILED (or by
 * STOPPED), every CONNECTED by one DISCONNECTED or STOPPED. At most one event of
 * a kind waits for each client, the newer replacing the older, where only the
 * newest counts. */

#ifdef __cplusplus
extern "C" {
#endif

/** The kinds, and what each carries: opamp_event_text() is always a sentence for
 * people, names in capitals are numbers (OPAMP_NUM_…). */
enum {
  /** An attempt begins. text: the URL. ATTEMPT: counted from 1. */
  OPAMP_EVENT_CONNECTING = 1,
  /** Connected; over HTTP, the first answer. text: the URL. */
  OPAMP_EVENT_CONNECTED = 2,
  /** status, text, HTTP_STATUS (0 none), RETRY_IN_MS. Over HTTP the text ends
   * with the start of the response's body. */
  OPAMP_EVENT_CONNECT_FAILED = 3,
  /** status, text, CLOSE_CODE (0 none), HTTP_STATUS, RETRY_IN_MS. */
  OPAMP_EVENT_DISCONNECTED = 4,
  /** The client has stopped; nothing is sent any more. text: the reason.
   * DISCONNECT_SENT: whether AgentDisconnect went out. */
  OPAMP_EVENT_STOPPED = 5,
  /** With option TRACE_MESSAGES. SEQUENCE_NUM, SIZE in bytes, FIELDS: bit n is
   * set when field n of AgentToServer is present. */
  OPAMP_EVENT_MESSAGE_SENT = 6,
  /** With option TRACE_MESSAGES. SIZE, FIELDS (of ServerToAgent). msg: it. */
  OPAMP_EVENT_MESSAGE_RECEIVED = 7,
  /** Everything set so far has been delivered. SEQUENCE_NUM: the last one. */
  OPAMP_EVENT_DELIVERED = 8,

  /** QUESTION. msg: AgentRemoteConfig. bytes: its hash. RESTORED: from the
   * store, at start. Accepting reports APPLIED, rejecting FAILED. */
  OPAMP_EVENT_REMOTE_CONFIG = 9,
  /** What the server will be told of a configuration. bytes: the hash, STATE:
   * OPAMP_REMOTE_CONFIG_STATUSES_…, text: the error. */
  OPAMP_EVENT_REMOTE_CONFIG_STATUS = 10,
  /** QUESTION. msg: ConnectionSettingsOffers, only the parts whose capability
   * is on. bytes: its hash. RESTORED: from the store, at start. The OpAMP part
   * is the library's: it is shown without its headers, certificate and proxy,
   * and the answer is about the other parts. Without any the answer means
   * nothing. */
  OPAMP_EVENT_CONNECTION_SETTINGS = 11,
  /** As REMOTE_CONFIG_STATUS, for connection settings. */
  OPAMP_EVENT_CONNECTION_SETTINGS_STATUS = 12,
  /** msg: PackagesAvailable. bytes: all_packages_hash. The statuses are the
   * application's to report (opamp_client_set_package_statuses()). */
  OPAMP_EVENT_PACKAGES = 13,
  /** A command. STATE: OPAMP_COMMAND_TYPE_…. */
  OPAMP_EVENT_COMMAND = 14,
  /** msg: CustomMessage, of a capability that was declared. */
  OPAMP_EVENT_CUSTOM_MESSAGE = 15,
  /** The server gave the agent a new instance uid. bytes: the new one,
   * previous: the old one. */
  OPAMP_EVENT_IDENTITY = 16,
  /** error_response. msg: ServerErrorResponse, text: its error_message,
   * RETRY_IN_MS (-1 none). */
  OPAMP_EVENT_SERVER_ERROR = 17,

  /** The server said 401 or 403 (HTTP_STATUS): opamp_client_set_headers() is
   * the answer. There is no deadline. */
  OPAMP_EVENT_CREDENTIALS_WANTED = 18,
  /** A configuration was applied; report what is in effect now with
   * opamp_client_set_effective_config(). Not sent at the start: report the
   * first one before opamp_client_start(). */
  OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED = 19,

  /** State the server refuses; it is left out until it changes. FIELDS: bits of
   * AgentToServer's fields, text: why. */
  OPAMP_EVENT_PARKED = 20,
  /** A message that could not be processed. status, text. */
  OPAMP_EVENT_BAD_MESSAGE = 21,
  /** The heartbeat interval changed. INTERVAL_MS. */
  OPAMP_EVENT_HEARTBEAT_INTERVAL = 22,
  /** Connections end right after they begin: perhaps another agent has the same
   * instance uid. text. */
  OPAMP_EVENT_DUPLICATE_SUSPECTED = 23,
  /** A queue was full. text: what was dropped. COUNT. */
  OPAMP_EVENT_DROPPED = 24,
  /** A log record. LEVEL: OPAMP_LOG_…, text. */
  OPAMP_EVENT_LOG = 25,

  /** With option OWN_TRANSPORT; transport.h says what answers these four, which
   * all carry CONNECTION. Make a connection. text: the URL. */
  OPAMP_EVENT_TRANSPORT_OPEN = 26,
  /** Send a message. bytes: it; over http also text: the URL. */
  OPAMP_EVENT_TRANSPORT_SEND = 27,
  /** See whether the server is there. */
  OPAMP_EVENT_TRANSPORT_PING = 28,
  /** CLOSE_CODE: end it in good order; 0: at once. */
  OPAMP_EVENT_TRANSPORT_CLOSE = 29,

  /** With option STORE; store.h says what answers these three, which all carry
   * REQUEST. text: the key whose value is wanted. */
  OPAMP_EVENT_STORE_LOAD = 30,
  /** text: the key. bytes: the value to keep under it. SECRET. */
  OPAMP_EVENT_STORE_SAVE = 31,
  /** text: the key to forget. */
  OPAMP_EVENT_STORE_ERASE = 32
};

/** The numbers an event may carry. */
enum {
  OPAMP_NUM_ATTEMPT = 1,          /**< counted from 1 */
  OPAMP_NUM_HTTP_STATUS = 2,      /**< 0: none */
  OPAMP_NUM_CLOSE_CODE = 3,       /**< of WebSocket; 0: none */
  OPAMP_NUM_RETRY_IN_MS = 4,      /**< until the next attempt; -1: none */
  OPAMP_NUM_SEQUENCE_NUM = 5,     /**< of a message */
  OPAMP_NUM_SIZE = 6,             /**< in bytes */
  OPAMP_NUM_FIELDS = 7,           /**< bit n stands for field n */
  OPAMP_NUM_STATE = 8,            /**< an enumerator of fields.h */
  OPAMP_NUM_RESTORED = 9,         /**< 1: from the store */
  OPAMP_NUM_DISCONNECT_SENT = 10, /**< 1: AgentDisconnect went out */
  OPAMP_NUM_INTERVAL_MS = 11,     /**< of heartbeats */
  OPAMP_NUM_COUNT = 12,           /**< how many */
  OPAMP_NUM_LEVEL = 13,           /**< OPAMP_LOG_… */
  OPAMP_NUM_CONNECTION = 14,      /**< transport.h */
  OPAMP_NUM_REQUEST = 15,         /**< store.h */
  OPAMP_NUM_SECRET = 16           /**< 1: it may hold keys, tokens, passwords */
};

/** @name Reading
 * What an event does not carry is zero, empty or NULL, and all of it for a bad
 * handle.
 * @{ */

/** Its OPAMP_EVENT_… kind.
 * @threads any, one at a time; callbacks too */
OPAMP_API int opamp_event_kind(const opamp_event *e);

/** The name of a kind, "remote_config"; NULL for none. Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_event_kind_name(int kind);

/** Whose event it is, borrowed; NULL once that client was freed.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_client *opamp_event_client(const opamp_event *e);

/** The pointer that client was given with opamp_client_set_user_data(); NULL
 * once it was freed.
 * @threads any, one at a time; callbacks too */
OPAMP_API void *opamp_event_user_data(const opamp_event *e);

/** The status it carries.
 * @return it, OPAMP_OK when it carries none
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_event_status(const opamp_event *e);

/** Its text, borrowed.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_str opamp_event_text(const opamp_event *e);

/** Its bytes, borrowed.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_bytes opamp_event_bytes(const opamp_event *e);

/** What was there before those bytes, borrowed (IDENTITY).
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_bytes opamp_event_previous(const opamp_event *e);

/** Its message, borrowed; opamp_msg_dup() keeps one.
 * @threads any, one at a time; callbacks too */
OPAMP_API const opamp_msg *opamp_event_msg(const opamp_event *e);

/** What the server said, packed, fields of newer protocols included: the
 * ServerToAgent of MESSAGE_RECEIVED; of other events that carry a message, one
 * with the part that the event is about. `*len` is the room on entry and the
 * size on return; buf == NULL, *len == 0 asks for the size.
 * @retval OPAMP_ERR_NOTFOUND  it carries no message
 * @retval OPAMP_ERR_SPACE     nothing was written, `*len` is what it takes
 * @retval OPAMP_ERR_DEPTH     as opamp_msg_pack()
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID   a bad handle
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_event_raw(const opamp_event *e, uint8_t *buf,
                                       size_t *len);

/** One of its numbers, OPAMP_NUM_….
 * @threads any, one at a time; callbacks too */
OPAMP_API int64_t opamp_event_number(const opamp_event *e, int num);

/** @}
 * @name Answering
 * An answer that comes after the deadline, or after a newer offer, has no
 * effect. The event is still to be freed.
 * @{ */

/** Answers a question: the offer is in effect.
 * @retval OPAMP_ERR_TYPE     this event is no question
 * @retval OPAMP_ERR_STATE    it was answered before, or its client is gone
 * @retval OPAMP_ERR_NOMEM    it was not answered
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_event_accept(opamp_event *e);

/** Answers a question: the offer cannot be used. `text` tells the server what
 * is wrong, in UTF-8; copied, NULL for none.
 * @retval OPAMP_ERR_UTF8     `text` is not UTF-8: it was not answered
 * @retval OPAMP_ERR_TYPE     this event is no question
 * @retval OPAMP_ERR_STATE    it was answered before, or its client is gone
 * @retval OPAMP_ERR_NOMEM    it was not answered
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_event_reject(opamp_event *e, const char *text);

/** The answer will come later, with opamp_client_set_remote_config_status() or
 * opamp_client_set_connection_settings_status(). The server is told APPLYING.
 * @retval OPAMP_ERR_TYPE     this event is no question
 * @retval OPAMP_ERR_STATE    it was answered before, or its client is gone
 * @retval OPAMP_ERR_NOMEM    it was not answered
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_event_defer(opamp_event *e);

/** Frees an event taken with opamp_loop_next_event() or
 * opamp_loop_wait_event(). NULL is fine. For the event of a callback it does
 * nothing: that is freed when the callback returns.
 * @threads any; callbacks too; in a forked child, too */
OPAMP_API void opamp_event_free(opamp_event *e);

/** @} */

#ifdef __cplusplus
}
#endif
#endif
