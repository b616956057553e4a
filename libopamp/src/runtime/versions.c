/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "opamp/types.h"

/* The one place above the layers that names all dependencies: it asks each
 * which version was loaded, which need not be the one it was built against. */

static char details[256];

static void make_details(void) {
  const char *lws = lws_get_library_version(); /* "4.1.6-<commit or nothing>" */
  snprintf(
      details, sizeof details,
      "libcurl %s, libwebsockets %.*s, OpenSSL %s, libuv %s, protobuf-c %s",
      curl_version_info(CURLVERSION_NOW)->version, (int)strcspn(lws, "-"), lws,
      OpenSSL_version(OPENSSL_VERSION_STRING), uv_version_string(),
      protobuf_c_version());
}

const char *opamp_version_details(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_details);
  return details;
}
