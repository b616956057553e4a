/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_OPTIONS_H
#define OPAMP_OPTIONS_H

#include "opamp/status.h"
#include "opamp/types.h"
#include "opamp/uid.h"

/** @file
 * What a client is told before it runs: where the server is, how to reach it,
 * and every limit and delay.
 *
 * An options object is filled by one thread, then given to any number of
 * opamp_client_new() calls; each client takes a snapshot, and clients made from
 * unchanged options share one. It may be changed or freed afterwards without
 * any effect on clients that exist. All setters copy.
 *
 * Numbers and texts are keyed by enumerators, so that a new option is a new
 * enumerator and not a new symbol; opamp_option_at() lists the numbers with
 * their defaults and bounds, which is also the table of the library's limits. */

#ifdef __cplusplus
extern "C" {
#endif

/** Options whose value is a number. Durations are in milliseconds, sizes in
 * bytes, switches 0 or 1. The number that stands first is the default. */
enum {
  /* Delays of the protocol. */
  OPAMP_OPT_HEARTBEAT = 1,        /**< 30000 ms: silence before a heartbeat */
  OPAMP_OPT_POLL_INTERVAL = 2,    /**< 30000 ms: between HTTP requests */
  OPAMP_OPT_CONNECT_TIMEOUT = 3,  /**< 10000 ms: dial, TLS and upgrade */
  OPAMP_OPT_REQUEST_TIMEOUT = 4,  /**< 30000 ms: one HTTP request */
  OPAMP_OPT_RESPONSE_TIMEOUT = 5, /**< 60000 ms: a WebSocket message unanswered */
  OPAMP_OPT_PING_INTERVAL = 6,    /**< 45000 ms: WebSocket silence before a ping; 0: never */
  OPAMP_OPT_PONG_TIMEOUT = 7,     /**< 10000 ms: for the pong, or anything else */
  OPAMP_OPT_STOP_TIMEOUT = 8,     /**< 2000 ms: for the whole of a stop */
  OPAMP_OPT_BACKOFF_MIN = 9,      /**< 1000 ms: the first wait after a failure */
  OPAMP_OPT_BACKOFF_MAX = 10,     /**< 300000 ms: the longest wait */
  OPAMP_OPT_BACKOFF_PERCENT = 11, /**< 200: growth of the wait per failure */
  OPAMP_OPT_RECONNECT_DELAY = 12, /**< 1000 ms: most after a useful connection */
  OPAMP_OPT_USEFUL_AFTER = 13,    /**< 10000 ms: a connection this old was useful */
  OPAMP_OPT_THROTTLE_WAIT = 14,   /**< 30000 ms: 429 or 503 without Retry-After */
  OPAMP_OPT_RETRY_AFTER_MAX = 15, /**< 3600000 ms: cap of Retry-After, RetryInfo */
  OPAMP_OPT_OFFER_DEADLINE = 16,  /**< 60000 ms: an unanswered offer is FAILED */
  OPAMP_OPT_PARKED_RETRY = 17,    /**< 3600000 ms: refused state is tried again */
  OPAMP_OPT_TRIAL_TIMEOUT = 18,   /**< 30000 ms: offered settings are tried */
  OPAMP_OPT_TRIAL_INTERVAL = 19,  /**< 60000 ms: between two trials */
  OPAMP_OPT_HEARTBEAT_MIN = 20,   /**< 1000 ms: lower bound of an offered interval */
  OPAMP_OPT_HEARTBEAT_MAX = 21,   /**< 3600000 ms: its upper bound */
  OPAMP_OPT_STORE_TIMEOUT = 22,   /**< 10000 ms: one answer of the store */
  /* Sizes and counts. */
  OPAMP_OPT_MAX_RECEIVE = 30,     /**< 67108864 bytes: one decoded message */
  OPAMP_OPT_MAX_SEND = 31,        /**< 67108864 bytes: one message */
  OPAMP_OPT_MAX_REDIRECTS = 32,   /**< 5: one after the other */
  OPAMP_OPT_CUSTOM_QUEUE = 33,    /**< 64: custom messages waiting to be sent */
  OPAMP_OPT_EVENT_QUEUE = 34,     /**< 64: received custom messages waiting for the application */
  OPAMP_OPT_CERTIFICATE_RENEW_PERCENT = 35, /**< 66: of a certificate's life,
                                     before the next is asked for */
  /* Switches. */
  OPAMP_OPT_COMPRESSION = 50,     /**< 0: gzip requests, permessage-deflate */
  OPAMP_OPT_HEARTBEAT_ZERO_DISABLES = 51,    /**< 0: an offered interval of 0 */
  OPAMP_OPT_ALLOW_UNKNOWN_CAPABILITIES = 52, /**< 0: send bits not in fields.h */
  OPAMP_OPT_REQUEST_INSTANCE_UID = 53,       /**< 0: ask the server for a uid */
  OPAMP_OPT_NUMERIC_HOSTS = 54,   /**< 0: never resolve a name */
  OPAMP_OPT_TLS_SYSTEM_CA = 55,   /**< 0: system's authorities beside the given
                                     ones; they are used anyway when none are */
  OPAMP_OPT_TLS_INSECURE = 56,    /**< 0: accept any certificate, any name */
  OPAMP_OPT_OWN_TRANSPORT = 57,   /**< 0: the application carries the messages
                                     (transport.h) */
  OPAMP_OPT_ALLOW_WEAKER_TLS = 58, /**< 0: take offers that make TLS weaker */
  OPAMP_OPT_DROP_ABSENT_CERTIFICATE = 59, /**< 0: offered settings without a
                                     certificate leave the one in use; 1: they
                                     take away one that was offered before */
  OPAMP_OPT_PROXY_FROM_ENV = 60,  /**< 0: without OPAMP_TEXT_PROXY, the proxy
                                     that https_proxy, http_proxy, all_proxy and
                                     no_proxy name (guide.md), read whenever a
                                     connection is made */
  OPAMP_OPT_STORE = 61,           /**< 0: the application keeps what should
                                     survive a restart (store.h) */
  OPAMP_OPT_REQUEST_CERTIFICATE = 62, /**< 0: ask the server for a client
                                     certificate, and for the next one in time */
  OPAMP_OPT_UID_PERSIST = 63,     /**< 1: an instance uid of our own making
                                     survives a restart, with a store */
  /* What becomes an event. */
  OPAMP_OPT_LOG_LEVEL = 70,       /**< 2 (OPAMP_LOG_WARN): log records up to this */
  OPAMP_OPT_TRACE_MESSAGES = 71   /**< 0: MESSAGE_SENT, MESSAGE_RECEIVED events */
};

/** Options whose value is a text. Certificates and keys are PEM. A file is read
 * when the first client is made of these options; a change of any of them makes
 * the next client read it again. */
enum {
  OPAMP_TEXT_URL = 1,             /**< ws, wss, http or https; no path means
                                     /v1/opamp, no port 80 or 443; required */
  OPAMP_TEXT_TLS_CA_FILE = 2,     /**< authorities to trust: a file, or a directory
                                     of .pem, .crt and .cer files */
  OPAMP_TEXT_TLS_CA_PEM = 3,      /**< the same as text */
  OPAMP_TEXT_TLS_CERT_FILE = 4,   /**< client certificate, its chain after it */
  OPAMP_TEXT_TLS_CERT_PEM = 5,    /**< the same as text */
  OPAMP_TEXT_TLS_KEY_FILE = 6,    /**< its key */
  OPAMP_TEXT_TLS_KEY_PEM = 7,     /**< the same as text */
  OPAMP_TEXT_TLS_MIN_VERSION = 8, /**< "1.2" (default), "1.3", also "TLSv1.2" */
  OPAMP_TEXT_TLS_MAX_VERSION = 9, /**< the same; the highest there is */
  OPAMP_TEXT_TLS_CIPHERS = 10,    /**< IANA names, separated by commas */
  OPAMP_TEXT_REDACT = 11,         /**< keys whose values the effective config
                                     does not show ("*password*,api?key"); case
                                     does not matter, * and ? are wildcards. For
                                     the usual text formats, line by line: it
                                     takes too much rather than too little */
  OPAMP_TEXT_PROXY = 12,          /**< http, https, socks5 or socks5h URL of a
                                     proxy (no scheme: http) with user and
                                     password, percent-encoded; a secret */
  OPAMP_TEXT_STATE_DIR = 13       /**< a directory for what should survive a
                                     restart (store.h); made when it is missing,
                                     locked as long as a client uses it */
};

/** Levels of log records. */
enum {
  OPAMP_LOG_NONE = 0,  /**< no records at all */
  OPAMP_LOG_ERROR = 1, /**< something does not work */
  OPAMP_LOG_WARN = 2,  /**< something should be looked at */
  OPAMP_LOG_INFO = 3,  /**< what may surprise */
  OPAMP_LOG_DEBUG = 4  /**< everything */
};

/** New options, all at their defaults. Free them with opamp_options_free().
 * @retval OPAMP_ERR_NOMEM
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_options_new(opamp_options **out);

/** Frees. NULL is fine.
 * @threads one at a time; callbacks too */
OPAMP_API void opamp_options_free(opamp_options *o);

/** Sets an OPAMP_OPT_… number.
 * @retval OPAMP_ERR_NOTFOUND  there is no such key
 * @retval OPAMP_ERR_INVALID   outside of its bounds; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_set_number(opamp_options *o, int key,
                                                uint64_t value);

/** The value of a number; 0 for an unknown key and a bad handle.
 * @threads one at a time; callbacks too */
OPAMP_API uint64_t opamp_options_number(const opamp_options *o, int key);

/** Sets an OPAMP_TEXT_… text, NUL-terminated; NULL restores the default.
 * @retval OPAMP_ERR_NOTFOUND     there is no such key
 * @retval OPAMP_ERR_INVALID      a malformed URL (also of a proxy), an unknown
 *                                TLS version or cipher suite; a bad handle
 * @retval OPAMP_ERR_UNSUPPORTED  ws and wss in a build without WebSocket
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_set_text(opamp_options *o, int key,
                                              const char *value);

/** Adds a header to every HTTP request and WebSocket upgrade, after those of
 * the same name. Its value is a secret: it is never printed, and wiped when
 * freed.
 * @retval OPAMP_ERR_INVALID  an empty name, a character that may not stand in a
 *                            header, a header the protocol itself sets; a bad
 *                            handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_add_header(opamp_options *o,
                                                const char *name,
                                                const char *value);

/** Adds a header to what is said to a proxy: to CONNECT, and to a request that
 * goes to it whole (an http URL through an http or https proxy). The server
 * does not get it. Its value is a secret, as those of opamp_options_add_header().
 * @retval OPAMP_ERR_INVALID  as opamp_options_add_header()
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_add_proxy_header(opamp_options *o,
                                                      const char *name,
                                                      const char *value);

/** The instance uid to use: OPAMP_UID_LEN bytes, not all zero. Without it each
 * client makes a UUIDv7 of its own.
 * @spec{AgentToServer.instance_uid}
 * @retval OPAMP_ERR_INVALID  of another length, or all zero; a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_set_instance_uid(opamp_options *o,
                                                      opamp_bytes uid);

/** The agent's capabilities, OPAMP_AGENT_CAPABILITIES_… bits. ReportsStatus is
 * always added. Default: ReportsStatus, ReportsHealth, ReportsHeartbeat;
 * whatever lets a server change the machine is for the application to ask for.
 * All bits are replaced, so add to OPAMP_CAPABILITIES_DEFAULT (typed.h);
 * without ReportsHealth, say, a health is kept and not sent.
 * @spec{AgentToServer.capabilities}
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_set_capabilities(opamp_options *o,
                                                      uint64_t capabilities);

/** Does at once what opamp_client_new() does first: sees whether the options go
 * together, and reads the files they name, and those of the system's
 * authorities where these are used. What was read is kept for the clients that
 * are made of the options, as long as they are not changed. For a process that
 * loses sight of its files before it makes a client (opamp_loop_prepare()).
 * @retval OPAMP_ERR_INVALID  there is no URL; options do not go together; a bad
 *                            handle
 * @retval OPAMP_ERR_IO       a file cannot be read (which one, and why)
 * @retval OPAMP_ERR_TLS      a certificate or key cannot be used
 * @retval OPAMP_ERR_NOMEM
 * @threads one at a time; callbacks too */
OPAMP_API opamp_status opamp_options_check(const opamp_options *o);

/** @name The table of the numbers
 * @{ */

/** The key of the i-th number option, 0 after the last one.
 * @threads any; callbacks too */
OPAMP_API int opamp_option_at(size_t i);

/** Its name as the tools spell it, "backoff-max"; NULL for an unknown key.
 * Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_option_name(int key);

/** Its default; 0 for an unknown key.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_option_default(int key);

/** The smallest value it may have; 0 for an unknown key.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_option_min(int key);

/** The largest value it may have; 0 for an unknown key.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_option_max(int key);

/** @} */

#ifdef __cplusplus
}
#endif
#endif
