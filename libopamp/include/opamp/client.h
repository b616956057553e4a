/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CLIENT_H
#define OPAMP_CLIENT_H

#include "opamp/event.h"
#include "opamp/loop.h"
#include "opamp/message.h"
#include "opamp/options.h"
#include "opamp/status.h"
#include "opamp/types.h"
#include "opamp/uid.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One agent, as the server sees it.
 *
 * Every function may be called from any thread and from any callback, and
 * returns without waiting. Setters copy what they are given. What is set is
 * never lost: it is sent now, or when there is a connection, and again until it
 * was delivered; only a value that was replaced meanwhile is skipped.
 *
 * A client of the parent process is of no use in a forked child: what returns a
 * status returns OPAMP_ERR_FORKED there, and opamp_client_free frees nothing.
 * Do not call getters. */

/* --- callbacks ------------------------------------------------------------ */

/* Runs in the thread that calls opamp_loop_poll or opamp_loop_dispatch. The
 * event is borrowed until it returns, which it must: no longjmp, no C++
 * exception. What it answers and sets goes out together when it returned. */
typedef void (*opamp_event_cb)(opamp_event *e, void *user_data);

/* NULL: not interested; such events go to on_other, as do the kinds that have
 * no member, else are freed (which, for a question, defers it). on_other alone
 * gets everything. The table only ever grows at its end. */
typedef struct opamp_callbacks {
  size_t struct_size; /* sizeof(opamp_callbacks) */
  opamp_event_cb on_connected;
  opamp_event_cb on_connect_failed;
  opamp_event_cb on_disconnected;
  opamp_event_cb on_stopped;
  opamp_event_cb on_remote_config;
  opamp_event_cb on_connection_settings;
  opamp_event_cb on_packages;
  opamp_event_cb on_command;
  opamp_event_cb on_custom_message;
  opamp_event_cb on_identity;
  opamp_event_cb on_server_error;
  opamp_event_cb on_credentials_wanted;
  opamp_event_cb on_effective_config_wanted;
  opamp_event_cb on_delivered;
  opamp_event_cb on_log;
  opamp_event_cb on_other;
} opamp_callbacks;

/* --- life ----------------------------------------------------------------- */

/* A client on `loop`, or with a loop of its own when that is NULL. It does
 * nothing until opamp_client_start. Files that the options name are read here.
 * OPAMP_ERR_INVALID (no URL; certificate and key do not match; …),
 * OPAMP_ERR_IO (which file and why), OPAMP_ERR_TLS, OPAMP_ERR_NOMEM, or what
 * opamp_loop_new returns. Called with a given loop, by any thread. */
OPAMP_API opamp_status opamp_client_new(opamp_client **out, opamp_loop *loop,
                                        const opamp_options *o);

/* Frees a client in any state, without telling the server; its events that
 * wait go with it, and none comes after. A loop of its own goes too. Inside a
 * callback it takes effect when that has returned. NULL is fine. */
OPAMP_API void opamp_client_free(opamp_client *c);

/* Starts connecting, and keeps trying until told to stop (specification,
 * "Retrying Messages"). Never fails because of the network. OPAMP_ERR_INVALID:
 * AcceptsPackages is on and callbacks are set without on_packages.
 * OPAMP_OK when it runs already. */
OPAMP_API opamp_status opamp_client_start(opamp_client *c);

/* Sends what was not delivered and AgentDisconnect with it, closes, and ends
 * with the event STOPPED, after STOP_TIMEOUT at the latest. It may be started
 * again. OPAMP_OK when it is stopped already. */
OPAMP_API opamp_status opamp_client_stop(opamp_client *c);

/* As opamp_client_stop, but the connection just ends: no AgentDisconnect. */
OPAMP_API opamp_status opamp_client_stop_silent(opamp_client *c);

/* The loop of a client. Borrowed. */
OPAMP_API opamp_loop *opamp_client_loop(const opamp_client *c);

/* A pointer of the application's own, which opamp_event_user_data gives back
 * with an event. Callbacks get that of opamp_client_set_callbacks instead. */
OPAMP_API void opamp_client_set_user_data(opamp_client *c, void *user_data);
OPAMP_API void *opamp_client_user_data(const opamp_client *c);

/* The callbacks, NULL for none; copied up to its struct_size. `user_data` is
 * passed to each. OPAMP_ERR_STATE once started. */
OPAMP_API opamp_status opamp_client_set_callbacks(opamp_client *c,
                                                  const opamp_callbacks *cb,
                                                  void *user_data);

/* --- the agent's state -------------------------------------------------------
 * Each replaces the value that the server has of one field of AgentToServer;
 * an equal value (maps and attribute lists in any order) sends nothing. NULL
 * clears: the field is sent present but empty. A message of another type is
 * OPAMP_ERR_TYPE; all return OPAMP_ERR_NOMEM. Values that belong to a
 * capability that is off are kept and sent when it is turned on. */

/* AgentDescription. */
OPAMP_API opamp_status opamp_client_set_description(opamp_client *c,
                                                    const opamp_msg *m);
/* ComponentHealth. */
OPAMP_API opamp_status opamp_client_set_health(opamp_client *c,
                                               const opamp_msg *m);
/* EffectiveConfig. */
OPAMP_API opamp_status opamp_client_set_effective_config(opamp_client *c,
                                                         const opamp_msg *m);
/* AvailableComponents. Its hash is computed when it carries none. The full map
 * is sent when the server asks for it, its hash otherwise. */
OPAMP_API opamp_status opamp_client_set_available_components(
    opamp_client *c, const opamp_msg *m);
/* PackageStatuses. */
OPAMP_API opamp_status opamp_client_set_package_statuses(opamp_client *c,
                                                         const opamp_msg *m);
/* CustomCapabilities. */
OPAMP_API opamp_status opamp_client_set_custom_capabilities(opamp_client *c,
                                                            const opamp_msg *m);
/* All OPAMP_AGENT_CAPABILITIES_… bits, as opamp_options_set_capabilities. */
OPAMP_API opamp_status opamp_client_set_capabilities(opamp_client *c,
                                                     uint64_t capabilities);

/* The state of a remote configuration, late answer to a deferred offer or of
 * the application's own accord: `status` is OPAMP_REMOTE_CONFIG_STATUSES_…,
 * `error` a UTF-8 text or NULL. A hash that is not the one of the newest offer
 * is ignored while that one waits for an answer. OPAMP_ERR_INVALID for a
 * status that is none (UNSET included), OPAMP_ERR_UTF8. */
OPAMP_API opamp_status opamp_client_set_remote_config_status(
    opamp_client *c, opamp_bytes hash, int status, const char *error);

/* The same for connection settings, OPAMP_CONNECTION_SETTINGS_STATUSES_…. */
OPAMP_API opamp_status opamp_client_set_connection_settings_status(
    opamp_client *c, opamp_bytes hash, int status, const char *error);

/* Forgets the hash of the last offer, so that the server's next one is
 * delivered even if it is equal. `kind` is OPAMP_EVENT_REMOTE_CONFIG,
 * _CONNECTION_SETTINGS or _PACKAGES (OPAMP_ERR_INVALID otherwise). */
OPAMP_API opamp_status opamp_client_forget_offer(opamp_client *c, int kind);

/* --- messages ------------------------------------------------------------- */

/* Queues a custom message. OPAMP_ERR_INVALID: the capability was not declared
 * with opamp_client_set_custom_capabilities. OPAMP_ERR_FULL: CUSTOM_QUEUE of
 * them wait. OPAMP_ERR_UTF8: `type` is not UTF-8. Sent in order, each in a
 * message of its own, again after a broken connection unless the server
 * answered it. */
OPAMP_API opamp_status opamp_client_send_custom(opamp_client *c,
                                                const char *capability,
                                                const char *type,
                                                opamp_bytes data);

/* Merges a packed AgentToServer into what is set, as one message of the
 * setters: each sub-message that is present becomes the value of its field, one
 * that is present and empty clears it; a custom message is queued; capabilities
 * are taken unless they are 0. instance_uid, sequence_num and flags are the
 * client's own and are ignored. All of it is taken, or nothing:
 * OPAMP_ERR_INVALID (agent_disconnect is present, for which there is
 * opamp_client_stop; a status that is UNSET; an undeclared capability of the
 * custom message), OPAMP_ERR_UNSUPPORTED (a field this library does not know),
 * OPAMP_ERR_FULL (as opamp_client_send_custom), those of opamp_msg_parse. */
OPAMP_API opamp_status opamp_client_queue_raw(opamp_client *c,
                                              opamp_bytes wire);

/* Between hold and release nothing that is set is sent; after the last release
 * it goes out in one message. They nest. A client holds by itself during a
 * callback and before it is started. Starting, new headers and stopping do not
 * wait; a stop takes along what was set before it. OPAMP_ERR_STATE: release
 * without hold. */
OPAMP_API opamp_status opamp_client_hold(opamp_client *c);
OPAMP_API opamp_status opamp_client_release(opamp_client *c);

/* Asks for an event DELIVERED, now or as soon as all was delivered that is set
 * by then. (It comes by itself whenever something was delivered.) */
OPAMP_API opamp_status opamp_client_flush(opamp_client *c);

/* --- the connection ------------------------------------------------------- */

/* Replaces all headers: `n` names and values. Used from the next connection or
 * request on. When the client waits because of 401 or 403 it tries them at
 * once, but only the first ones since it was last let in: a server that refuses
 * each of them is asked no more often than any that fails. Errors as
 * opamp_options_add_header, and then nothing changes. */
OPAMP_API opamp_status opamp_client_set_headers(opamp_client *c,
                                                const char *const *names,
                                                const char *const *values,
                                                size_t n);

/* The interval of heartbeats and of HTTP polls, within the bounds of option
 * HEARTBEAT (OPAMP_ERR_INVALID). */
OPAMP_API opamp_status opamp_client_set_heartbeat(opamp_client *c,
                                                  uint64_t interval_ms);

/* --- looking in: need no loop, never wait --------------------------------- */

/* What a client is doing. */
enum {
  OPAMP_STATE_STOPPED = 0,
  OPAMP_STATE_CONNECTING = 1,
  OPAMP_STATE_CONNECTED = 2,
  OPAMP_STATE_WAITING = 3, /* for the next attempt */
  OPAMP_STATE_STOPPING = 4
};

/* Its OPAMP_STATE_…, its name ("connected"), and for how long, in ms. */
OPAMP_API int opamp_client_state(const opamp_client *c);
OPAMP_API const char *opamp_state_name(int state);
OPAMP_API uint64_t opamp_client_state_since_ms(const opamp_client *c);

/* In how many ms it will try again; -1 when it does not wait. */
OPAMP_API int64_t opamp_client_next_retry_ms(const opamp_client *c);

/* The instance uid, OPAMP_UID_LEN bytes, written to `uid`. */
OPAMP_API void opamp_client_instance_uid(const opamp_client *c, uint8_t *uid);

/* The capabilities of the agent, and those the server sent last (0: none
 * yet). */
OPAMP_API uint64_t opamp_client_capabilities(const opamp_client *c);
OPAMP_API uint64_t opamp_client_server_capabilities(const opamp_client *c);

/* The custom capabilities that the server declared last, as CustomCapabilities
 * which the caller frees. OPAMP_ERR_NOTFOUND when it declared none yet,
 * OPAMP_ERR_NOMEM. */
OPAMP_API opamp_status opamp_client_server_custom_capabilities(
    const opamp_client *c, opamp_msg **out);

/* The sequence number of the last message; -1 before the first. */
OPAMP_API int64_t opamp_client_sequence_num(const opamp_client *c);

/* How many custom messages opamp_client_send_custom would take now. It grows as
 * the server answers; only opamp_client_send_custom and _queue_raw make it less.
 */
OPAMP_API size_t opamp_client_custom_room(const opamp_client *c);

/* Bit n is set when field n of AgentToServer was set and not delivered, or is
 * parked. */
OPAMP_API uint64_t opamp_client_undelivered(const opamp_client *c);
OPAMP_API uint64_t opamp_client_parked(const opamp_client *c);

/* Copy a text or bytes into `buf`, `*len` being the room on entry and the
 * length on return (texts without a NUL of their own, one is added when there
 * is room). OPAMP_ERR_SPACE: `*len` is what it takes. The last error; the hash
 * of the remote configuration that is in effect (last APPLIED); the URL in
 * use. */
OPAMP_API opamp_status opamp_client_last_error(const opamp_client *c, char *buf,
                                               size_t *len);
OPAMP_API opamp_status opamp_client_remote_config_hash(const opamp_client *c,
                                                       uint8_t *buf,
                                                       size_t *len);
OPAMP_API opamp_status opamp_client_endpoint(const opamp_client *c, char *buf,
                                             size_t *len);

/* Counters since the client was made. */
enum {
  OPAMP_COUNT_MESSAGES_SENT = 0,
  OPAMP_COUNT_MESSAGES_RECEIVED = 1,
  OPAMP_COUNT_BYTES_SENT = 2,
  OPAMP_COUNT_BYTES_RECEIVED = 3,
  OPAMP_COUNT_CONNECTS = 4,
  OPAMP_COUNT_CONNECT_FAILURES = 5,
  OPAMP_COUNT_DISCONNECTS = 6,
  OPAMP_COUNT_HEARTBEATS = 7,
  OPAMP_COUNT_BAD_MESSAGES = 8,
  OPAMP_COUNT_SERVER_ERRORS = 9,
  OPAMP_COUNT_PARKED = 10,
  OPAMP_COUNT_OFFERS = 11,
  OPAMP_COUNT_FULL_STATES = 12,
  OPAMP_COUNT_DROPPED_EVENTS = 13,
  OPAMP_COUNT_END = 14
};

/* One of them, 0 when there is none; and its name ("messages_sent"), NULL. */
OPAMP_API uint64_t opamp_client_counter(const opamp_client *c, int counter);
OPAMP_API const char *opamp_counter_name(int counter);

#ifdef __cplusplus
}
#endif
#endif
