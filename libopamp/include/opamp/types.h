/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TYPES_H
#define OPAMP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OPAMP_API marks what the library exports; everything else is hidden. */
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

/* The handles. All are opaque: made by a constructor, given back to the
 * function named in its comment, never copied or looked into. A constructor's
 * result comes first among its arguments (`out`) and is NULL when it fails;
 * what frees takes NULL, so that one clean-up does for every failure. */
typedef struct opamp_loop opamp_loop;       /* loop.h    */
typedef struct opamp_client opamp_client;   /* client.h  */
typedef struct opamp_options opamp_options; /* options.h */
typedef struct opamp_event opamp_event;     /* event.h   */
typedef struct opamp_msg opamp_msg;         /* message.h */

/* The two public value types. They are frozen: neither will ever grow.
 *
 * A span handed out by the library is borrowed from the object it was read
 * from. Absent means ptr == NULL and len == 0. */

/* UTF-8 text. When it comes from the library a NUL follows it at ptr[len]. */
typedef struct opamp_str {
  const char *ptr;
  size_t len;
} opamp_str;

typedef struct opamp_bytes {
  const uint8_t *ptr;
  size_t len;
} opamp_bytes;

/* The version of the library that was loaded, as 0xMMmmpp. Any thread. */
OPAMP_API uint32_t opamp_version(void);

/* The same as text ("0.1.0"), and the version of the OpAMP specification it
 * speaks ("0.20.0"). Static storage. Any thread. */
OPAMP_API const char *opamp_version_text(void);
OPAMP_API const char *opamp_spec_version(void);

/* One line that names the libraries this one runs on and their versions, for
 * bug reports: "libcurl 7.88.1, libwebsockets 4.1.6, OpenSSL 3.0.15, …". Made
 * by the first call; static storage. Any thread. */
OPAMP_API const char *opamp_version_details(void);

#ifdef __cplusplus
}
#endif
#endif
