/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "transport/transport.h"

void opamp__transport_versions(char *out, size_t size) {
  const char *lws = lws_get_library_version(); /* "4.1.6-<commit or nothing>" */
  snprintf(out, size, "libcurl %s, libwebsockets %.*s, OpenSSL %s",
           curl_version_info(CURLVERSION_NOW)->version, (int)strcspn(lws, "-"),
           lws, OpenSSL_version(OPENSSL_VERSION_STRING));
}
