/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_STATUS_H
#define OPAMP_STATUS_H

#include "opamp/types.h"

/** @file
 * What a call came to, and the text that goes with it. */

#ifdef __cplusplus
extern "C" {
#endif

/** What a call came to: 0, or one of the negative numbers below. It is an int
 * and not an enumeration type, so that a newer library may return a number this
 * header does not know yet. Values are only ever appended. */
typedef int opamp_status;

/** The statuses. After a failed call the object is as it was before it, unless
 * the function says otherwise. */
enum {
  OPAMP_OK = 0, /**< it is done */

  OPAMP_ERR_NOMEM = -1,       /**< memory could not be had */
  OPAMP_ERR_INVALID = -2,     /**< an argument is wrong; opamp_errmsg says which */
  OPAMP_ERR_STATE = -3,       /**< not possible in the present state */
  OPAMP_ERR_TYPE = -4,        /**< this message has no such field, or of another kind */
  OPAMP_ERR_BUSY = -5,        /**< another thread is driving the loop */
  OPAMP_ERR_TIMEOUT = -6,     /**< a deadline passed */
  OPAMP_ERR_UNSUPPORTED = -7, /**< not in this build, or not allowed here */
  OPAMP_ERR_FULL = -8,        /**< a bounded queue has no room */
  OPAMP_ERR_NOTFOUND = -9,    /**< no such thing */
  OPAMP_ERR_SPACE = -10,      /**< the buffer given is too small */
  OPAMP_ERR_FORKED = -11,     /**< the loop belongs to the parent process */

  /* Why a connection could not be made, or ended. */
  OPAMP_ERR_TRANSPORT = -100, /**< could not connect, or the connection broke */
  OPAMP_ERR_TLS = -101,       /**< TLS set-up or verification failed */
  OPAMP_ERR_HTTP = -102,      /**< the server answered with an HTTP error status */
  OPAMP_ERR_RESOLVE = -103,   /**< the host name has no address */
  OPAMP_ERR_CLOSED = -104,    /**< the server closed the connection */
  OPAMP_ERR_REDIRECT = -105,  /**< a redirect that is not followed */
  OPAMP_ERR_IO = -106,        /**< a file could not be read or written */
  OPAMP_ERR_UNAVAILABLE = -107, /**< the server said it is unavailable */

  /* What is wrong with a message. */
  OPAMP_ERR_DECODE = -200,     /**< not a protobuf message of this type */
  OPAMP_ERR_LIMIT = -201,      /**< larger than a limit allows */
  OPAMP_ERR_UTF8 = -202,       /**< a string field is not UTF-8, or holds a NUL */
  OPAMP_ERR_DEPTH = -203,      /**< nested too deeply */
  OPAMP_ERR_FRAME = -204,      /**< a bad WebSocket message header */
  OPAMP_ERR_TEXT_FRAME = -205, /**< a text message where a binary one belongs */
  OPAMP_ERR_FOREIGN_UID = -206, /**< addressed to another instance uid */
  OPAMP_ERR_REFUSED = -207     /**< the server refused what was sent */
};

/** The name of a status, "OPAMP_ERR_TLS"; "OPAMP_ERR_UNKNOWN" for a number that
 * is none. Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_status_name(opamp_status s);

/** What the last failed call of this thread had to say, in one line without a
 * line feed, naming what is wrong and where; never a secret. Empty when none
 * failed. UTF-8, whatever it names. Valid until the next call of this library
 * in the same thread, to which it may be given: opamp_event_reject(e,
 * opamp_errmsg()).
 * @threads any; callbacks too */
OPAMP_API const char *opamp_errmsg(void);

#ifdef __cplusplus
}
#endif
#endif
