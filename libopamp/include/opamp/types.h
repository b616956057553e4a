/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TYPES_H
#define OPAMP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** @file
 * Handles, spans, versions: what all other headers speak of.
 *
 * **Handles** are opaque: made by a constructor, given back to the function
 * that frees them, never copied or looked into. A constructor's result comes
 * first among its arguments (`out`) and is NULL when it fails; what frees takes
 * NULL, so that one clean-up does for every failure.
 *
 * **A bad handle** is NULL, was freed, or is one of another kind. Functions
 * answer it: those that return a status with OPAMP_ERR_INVALID, those that
 * return something else with zero, NULL or what their comment says, and
 * opamp_errmsg() names the function and what was wrong. That a handle was freed
 * is found out for certain in builds of the library without NDEBUG; in others
 * only as long as nobody else uses the memory.
 *
 * **Setters copy, getters lend, constructors give.** What a getter lends lives
 * as long as its owner, or as its comment says. */

/** Marks what the library exports; everything else is hidden. */
#if defined(OPAMP_STATIC)
#define OPAMP_API
#elif defined(__GNUC__) || defined(__clang__)
#define OPAMP_API __attribute__((visibility("default")))
#else
#define OPAMP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Does the work of any number of clients (loop.h). */
typedef struct opamp_loop opamp_loop;
/** One agent, as the server sees it (client.h). */
typedef struct opamp_client opamp_client;
/** What a client is told before it runs (options.h). */
typedef struct opamp_options opamp_options;
/** Something the library has to say (event.h). */
typedef struct opamp_event opamp_event;
/** Any message of the protocol (message.h). */
typedef struct opamp_msg opamp_msg;

/** A span of UTF-8 text. When it comes from the library it is borrowed from the
 * object it was read from, and a NUL follows it at ptr[len]. Absent means ptr
 * == NULL and len == 0. Frozen: it will never grow. */
typedef struct opamp_str {
  const char *ptr; /**< not necessarily ended by a NUL when it is yours */
  size_t len;      /**< in bytes */
} opamp_str;

/** A span of bytes, borrowed and absent as opamp_str. Frozen, too. */
typedef struct opamp_bytes {
  const uint8_t *ptr; /**< the first one */
  size_t len;         /**< how many */
} opamp_bytes;

/** The version of the library that was loaded, as 0xMMmmpp.
 * @threads any; callbacks too */
OPAMP_API uint32_t opamp_version(void);

/** The same as text, "0.1.0". Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_version_text(void);

/** The version of the OpAMP specification it speaks, "0.20.0". Static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_spec_version(void);

/** One line for bug reports that names the libraries this one runs on and their
 * versions: "libcurl 7.88.1, libwebsockets 4.1.6, OpenSSL 3.0.15, …". Made by
 * the first call; static storage.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_version_details(void);

#ifdef __cplusplus
}
#endif
#endif
