/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "transport/internal.h"

void opamp__transport_versions(char *out, size_t size) {
  const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
  char ws[64];
  opamp__ws_version(ws, sizeof ws);
  snprintf(out, size, "libcurl %s, %s, OpenSSL %s",
           curl == NULL ? "(cannot be loaded)" : curl->version, ws,
           OpenSSL_version(OPENSSL_VERSION_STRING));
}
