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

/** @file
 * One agent, as the server sees it. Begin here: options (options.h), a client,
 * what it reports, opamp_client_start(), and then its loop is driven (loop.h).
 *
 * Every function may be called from any thread and from any callback, and
 * returns without waiting. Setters copy what they are given. What is set is
 * never lost: it is sent now, or when there is a connection, and again until it
 * was delivered; only a value that was replaced meanwhile is skipped.
 *
 * A client of the parent process is of no use in a forked child: what returns a
 * status returns OPAMP_ERR_FORKED there, getters what they return for a bad
 * handle, and opamp_client_free() frees nothing. */

#ifdef __cplusplus
extern "C" {
#endif

/** @name Callbacks
 * @{ */

/** Runs in the thread that calls opamp_loop_poll() or opamp_loop_dispatch(),
 * never under a lock. The event is borrowed until it returns, which it must: no
 * longjmp, no C++ exception. What it answers and sets goes out together when it
 * returned. */
typedef void (*opamp_event_cb)(opamp_event *e, void *user_data);

/** Which callback gets which events (event.h). NULL: not interested; such
 * events go to `on_other`, as do the kinds that have no member, else are freed
 * (which, for a question, defers it). `on_other` alone gets everything. The
 * table only ever grows at its end. */
typedef struct opamp_callbacks {
  size_t struct_size;                /**< sizeof(opamp_callbacks) */
  opamp_event_cb on_connected;       /**< OPAMP_EVENT_CONNECTED */
  opamp_event_cb on_connect_failed;  /**< OPAMP_EVENT_CONNECT_FAILED */
  opamp_event_cb on_disconnected;    /**< OPAMP_EVENT_DISCONNECTED */
  opamp_event_cb on_stopped;         /**< OPAMP_EVENT_STOPPED */
  opamp_event_cb on_remote_config;   /**< OPAMP_EVENT_REMOTE_CONFIG */
  opamp_event_cb on_connection_settings; /**< OPAMP_EVENT_CONNECTION_SETTINGS */
  opamp_event_cb on_packages;        /**< OPAMP_EVENT_PACKAGES */
  opamp_event_cb on_command;         /**< OPAMP_EVENT_COMMAND */
  opamp_event_cb on_custom_message;  /**< OPAMP_EVENT_CUSTOM_MESSAGE */
  opamp_event_cb on_identity;        /**< OPAMP_EVENT_IDENTITY */
  opamp_event_cb on_server_error;    /**< OPAMP_EVENT_SERVER_ERROR */
  opamp_event_cb on_credentials_wanted; /**< OPAMP_EVENT_CREDENTIALS_WANTED */
  opamp_event_cb on_effective_config_wanted; /**< …_EFFECTIVE_CONFIG_WANTED */
  opamp_event_cb on_delivered;       /**< OPAMP_EVENT_DELIVERED */
  opamp_event_cb on_log;             /**< OPAMP_EVENT_LOG */
  opamp_event_cb on_other;           /**< all others */
} opamp_callbacks;

/** @}
 * @name Life
 * @{ */

/** A client on `loop`, or with a loop of its own when that is NULL. It does
 * nothing until opamp_client_start(). Files that the options name are read
 * here. The options may be changed or freed afterwards. Free it with
 * opamp_client_free().
 * @retval OPAMP_ERR_INVALID  there is no URL; options do not go together; a bad
 *                            handle
 * @retval OPAMP_ERR_IO       a file cannot be read (which one, and why); there
 *                            are no descriptors or no random bytes
 * @retval OPAMP_ERR_TLS      a certificate or key cannot be used
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_new(opamp_client **out, opamp_loop *loop,
                                        const opamp_options *o);

/** Frees a client in any state, without telling the server; its events that
 * wait go with it, and none comes after. A loop of its own goes too. Inside a
 * callback it takes effect when that has returned. In a forked child nothing is
 * freed. NULL is fine.
 * @threads any; callbacks too */
OPAMP_API void opamp_client_free(opamp_client *c);

/** Starts connecting, and keeps trying until told to stop. Never fails because
 * of the network. OPAMP_OK when it runs already.
 * @spec{Retrying Messages}
 * @retval OPAMP_ERR_INVALID  AcceptsPackages is on, and callbacks are set
 *                            without on_packages; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_start(opamp_client *c);

/** Sends what was not delivered and AgentDisconnect with it, closes, and ends
 * with the event STOPPED, after option STOP_TIMEOUT at the latest. It may be
 * started again. OPAMP_OK when it is stopped already.
 * @spec{Closing Connection}
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_stop(opamp_client *c);

/** As opamp_client_stop(), but the connection just ends: no AgentDisconnect.
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_stop_silent(opamp_client *c);

/** The loop of a client, borrowed; NULL for a bad handle.
 * @threads any; callbacks too; in a forked child, too */
OPAMP_API opamp_loop *opamp_client_loop(const opamp_client *c);

/** Keeps a pointer of the application's own, which opamp_event_user_data()
 * gives back with an event. Callbacks get that of opamp_client_set_callbacks()
 * instead.
 * @threads any; callbacks too; in a forked child, too */
OPAMP_API void opamp_client_set_user_data(opamp_client *c, void *user_data);

/** That pointer; NULL when none was set, and for a bad handle.
 * @threads any; callbacks too; in a forked child, too */
OPAMP_API void *opamp_client_user_data(const opamp_client *c);

/** The callbacks, NULL for none; copied up to its struct_size. `user_data` is
 * passed to each.
 * @retval OPAMP_ERR_STATE    the client was started before
 * @retval OPAMP_ERR_INVALID  struct_size is not set; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_callbacks(opamp_client *c,
                                                  const opamp_callbacks *cb,
                                                  void *user_data);

/** @}
 * @name The agent's state
 * Each replaces the value that the server has of one field of AgentToServer; an
 * equal value (maps and attribute lists in any order) sends nothing. NULL
 * clears: the field is sent present but empty. A value that belongs to a
 * capability that is off is kept, and sent when it is turned on.
 * @{ */

/** Reports an AgentDescription: who the agent is.
 * @spec{AgentToServer.agent_description}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_description(opamp_client *c,
                                                    const opamp_msg *m);

/** Reports a ComponentHealth: how the agent is. Needs ReportsHealth.
 * @spec{AgentToServer.health}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_health(opamp_client *c,
                                               const opamp_msg *m);

/** Reports an EffectiveConfig: the configuration that is in effect. What option
 * REDACT names is left out. Needs ReportsEffectiveConfig.
 * @spec{AgentToServer.effective_config}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_effective_config(opamp_client *c,
                                                         const opamp_msg *m);

/** Reports AvailableComponents: what the agent is made of. Its hash is computed
 * when it carries none. The full map is sent when the server asks for it, its
 * hash otherwise. Needs ReportsAvailableComponents.
 * @spec{AgentToServer.available_components}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_available_components(
    opamp_client *c, const opamp_msg *m);

/** Reports PackageStatuses: what became of offered packages. Needs
 * ReportsPackageStatuses.
 * @spec{AgentToServer.package_statuses}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_package_statuses(opamp_client *c,
                                                         const opamp_msg *m);

/** Declares CustomCapabilities. Custom messages are sent and delivered for
 * declared ones only.
 * @spec{AgentToServer.custom_capabilities}
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_custom_capabilities(opamp_client *c,
                                                            const opamp_msg *m);

/** Replaces all OPAMP_AGENT_CAPABILITIES_… bits, as
 * opamp_options_set_capabilities().
 * @spec{AgentToServer.capabilities}
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_capabilities(opamp_client *c,
                                                     uint64_t capabilities);

/** Reports the state of a remote configuration, as the late answer to a
 * deferred offer or of the application's own accord. A hash that is not the one
 * of the newest offer is ignored while that one waits for an answer.
 * @param c       the client
 * @param hash    the hash of the offer, exactly as received
 * @param status  OPAMP_REMOTE_CONFIG_STATUSES_…
 * @param error   what went wrong, in UTF-8; NULL for nothing
 * @spec{AgentToServer.remote_config_status}
 * @retval OPAMP_ERR_INVALID  no such status, UNSET included; a bad handle
 * @retval OPAMP_ERR_UTF8     `error` is not UTF-8
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_remote_config_status(
    opamp_client *c, opamp_bytes hash, int status, const char *error);

/** The same for connection settings, OPAMP_CONNECTION_SETTINGS_STATUSES_….
 * @spec{AgentToServer.connection_settings_status}
 * @retval OPAMP_ERR_INVALID  no such status, UNSET included; a bad handle
 * @retval OPAMP_ERR_UTF8     `error` is not UTF-8
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_connection_settings_status(
    opamp_client *c, opamp_bytes hash, int status, const char *error);

/** Forgets the hash of the last offer, so that the server's next one is
 * delivered even if it is equal: after a local repair, say. `kind` is
 * OPAMP_EVENT_REMOTE_CONFIG, _CONNECTION_SETTINGS or _PACKAGES.
 * @retval OPAMP_ERR_INVALID  another kind; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_forget_offer(opamp_client *c, int kind);

/** @}
 * @name Messages
 * @{ */

/** Queues a custom message. They are sent in order, each in a message of its
 * own, again after a broken connection unless the server answered it.
 * @param c           the client
 * @param capability  one that was declared
 * @param type        of the message, UTF-8; may be NULL or empty
 * @param data        copied
 * @spec{Custom Messages}
 * @retval OPAMP_ERR_INVALID  the capability was not declared with
 *                            opamp_client_set_custom_capabilities(); a bad
 *                            handle
 * @retval OPAMP_ERR_FULL     as many wait as option CUSTOM_QUEUE allows
 * @retval OPAMP_ERR_UTF8     `type` is not UTF-8
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_send_custom(opamp_client *c,
                                                const char *capability,
                                                const char *type,
                                                opamp_bytes data);

/** Merges a packed AgentToServer into what is set, as one message of the
 * setters: each sub-message that is present becomes the value of its field, one
 * that is present and empty clears it; a custom message is queued; capabilities
 * are taken unless they are 0. instance_uid, sequence_num and flags are the
 * client's own and are ignored. All of it is taken, or nothing.
 * @spec{AgentToServer Message}
 * @retval OPAMP_ERR_INVALID  agent_disconnect is present, for which there is
 *                            opamp_client_stop(); a status that is UNSET; a
 *                            custom message of an undeclared capability; a bad
 *                            handle
 * @retval OPAMP_ERR_UNSUPPORTED  a field this library does not know
 * @retval OPAMP_ERR_FULL     as opamp_client_send_custom()
 * @retval OPAMP_ERR_DECODE   as opamp_msg_parse()
 * @retval OPAMP_ERR_LIMIT    likewise
 * @retval OPAMP_ERR_UTF8     likewise
 * @retval OPAMP_ERR_DEPTH    likewise
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_queue_raw(opamp_client *c,
                                              opamp_bytes wire);

/** Between this and opamp_client_release() nothing that is set is sent; after
 * the last release it goes out in one message. They nest. A client holds by
 * itself during a callback and before it is started. Starting, new headers and
 * stopping do not wait; a stop takes along what was set before it.
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_hold(opamp_client *c);

/** Ends what one opamp_client_hold() began.
 * @retval OPAMP_ERR_STATE    there is none to end
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_release(opamp_client *c);

/** Asks for an event DELIVERED, now or as soon as all was delivered that is set
 * by then. (It comes by itself whenever something was delivered.)
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_flush(opamp_client *c);

/** @}
 * @name The connection
 * @{ */

/** Replaces all headers: `n` names and values. Used from the next connection or
 * request on. When the client waits because of 401 or 403 it tries them at
 * once, but only the first ones since it was last let in: a server that refuses
 * each of them is asked no more often than any that fails.
 * @spec{Authentication}
 * @retval OPAMP_ERR_INVALID  as opamp_options_add_header(), and then nothing
 *                            changes; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_headers(opamp_client *c,
                                                const char *const *names,
                                                const char *const *values,
                                                size_t n);

/** Asks the server for a client certificate: makes a key, keeps it, sends a
 * request to sign it for the instance uid, again after a restart, until there is
 * an answer. The certificate is offered like any connection settings, and tried
 * before it is kept; later ones are asked for in time (option
 * CERTIFICATE_RENEW_PERCENT). A refusal is an event PARKED. Option
 * REQUEST_CERTIFICATE does this at the start. Needs
 * AcceptsOpAMPConnectionSettings.
 * @spec{ConnectionSettingsRequest}
 * @retval OPAMP_ERR_STATE    there is no store (store.h)
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_request_certificate(opamp_client *c);

/** Sets the interval of heartbeats and of HTTP polls.
 * @spec{OpAMPConnectionSettings.heartbeat_interval_seconds}
 * @retval OPAMP_ERR_INVALID  it is not within the bounds of option HEARTBEAT; a
 *                            bad handle
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_heartbeat(opamp_client *c,
                                                  uint64_t interval_ms);

/** @}
 * @name Looking in
 * What a health endpoint wants to know. Needs no loop, never waits; for a bad
 * handle it is zero, or -1 where -1 means none.
 * @{ */

/** What a client is doing. */
enum {
  OPAMP_STATE_STOPPED = 0,    /**< not started, or stopped */
  OPAMP_STATE_CONNECTING = 1, /**< an attempt is under way */
  OPAMP_STATE_CONNECTED = 2,  /**< it is connected; over HTTP it was answered */
  OPAMP_STATE_WAITING = 3,    /**< for the next attempt */
  OPAMP_STATE_STOPPING = 4    /**< the last message is under way */
};

/** Its OPAMP_STATE_….
 * @threads any; callbacks too */
OPAMP_API int opamp_client_state(const opamp_client *c);

/** The name of a state, "connected"; NULL for none. Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_state_name(int state);

/** For how long it has been in its state, in ms.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_state_since_ms(const opamp_client *c);

/** In how many ms it will try again; -1 when it does not wait.
 * @threads any; callbacks too */
OPAMP_API int64_t opamp_client_next_retry_ms(const opamp_client *c);

/** The instance uid in use: OPAMP_UID_LEN bytes, written to `uid`.
 * @threads any; callbacks too */
OPAMP_API void opamp_client_instance_uid(const opamp_client *c, uint8_t *uid);

/** The capabilities of the agent, as they were set last.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_capabilities(const opamp_client *c);

/** The capabilities the server sent last; 0: none yet.
 * @spec{ServerToAgent.capabilities}
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_server_capabilities(const opamp_client *c);

/** The custom capabilities that the server declared last, as CustomCapabilities
 * which the caller frees.
 * @spec{ServerToAgent.custom_capabilities}
 * @retval OPAMP_ERR_NOTFOUND  it has declared none yet
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID   a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_server_custom_capabilities(
    const opamp_client *c, opamp_msg **out);

/** The sequence number of the last message; -1 before the first.
 * @spec{AgentToServer.sequence_num}
 * @threads any; callbacks too */
OPAMP_API int64_t opamp_client_sequence_num(const opamp_client *c);

/** How many custom messages opamp_client_send_custom() would take now. It grows
 * as the server answers; only opamp_client_send_custom() and
 * opamp_client_queue_raw() make it less.
 * @threads any; callbacks too */
OPAMP_API size_t opamp_client_custom_room(const opamp_client *c);

/** What was set and not delivered: bit n stands for field n of AgentToServer.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_undelivered(const opamp_client *c);

/** What is parked, as bits (OPAMP_EVENT_PARKED).
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_parked(const opamp_client *c);

/** Copies the text of the last error into `buf`; empty when there was none.
 * `*len` is the room on entry and the length on return; a NUL is added when
 * there is room for it.
 * @retval OPAMP_ERR_SPACE    `*len` is what it takes, and nothing was copied
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_last_error(const opamp_client *c, char *buf,
                                               size_t *len);

/** Copies the hash of the remote configuration that is in effect (the last one
 * APPLIED) into `buf`; empty when there is none. `*len` as above.
 * @retval OPAMP_ERR_SPACE    `*len` is what it takes, and nothing was copied
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_remote_config_hash(const opamp_client *c,
                                                       uint8_t *buf,
                                                       size_t *len);

/** Copies the URL in use into `buf`, which redirects may have changed. `*len`
 * as of opamp_client_last_error().
 * @retval OPAMP_ERR_SPACE    `*len` is what it takes, and nothing was copied
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_endpoint(const opamp_client *c, char *buf,
                                             size_t *len);

/** Counters since the client was made. */
enum {
  OPAMP_COUNT_MESSAGES_SENT = 0,     /**< repeated ones count again */
  OPAMP_COUNT_MESSAGES_RECEIVED = 1, /**< bad ones, too */
  OPAMP_COUNT_BYTES_SENT = 2,        /**< of messages, not of the network */
  OPAMP_COUNT_BYTES_RECEIVED = 3,    /**< likewise */
  OPAMP_COUNT_CONNECTS = 4,          /**< events CONNECTED */
  OPAMP_COUNT_CONNECT_FAILURES = 5,  /**< events CONNECT_FAILED */
  OPAMP_COUNT_DISCONNECTS = 6,       /**< events DISCONNECTED */
  OPAMP_COUNT_HEARTBEATS = 7,        /**< messages that carried nothing */
  OPAMP_COUNT_BAD_MESSAGES = 8,      /**< events BAD_MESSAGE */
  OPAMP_COUNT_SERVER_ERRORS = 9,     /**< error responses */
  OPAMP_COUNT_PARKED = 10,           /**< fields that were parked */
  OPAMP_COUNT_OFFERS = 11,           /**< offers handed out */
  OPAMP_COUNT_FULL_STATES = 12,      /**< full states sent */
  OPAMP_COUNT_DROPPED_EVENTS = 13,   /**< events that found no room */
  OPAMP_COUNT_END = 14               /**< how many counters there are */
};

/** One of the counters, 0 when there is none.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_client_counter(const opamp_client *c, int counter);

/** Its name, "messages_sent"; NULL for none. Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_counter_name(int counter);

/** @} */

#ifdef __cplusplus
}
#endif
#endif
