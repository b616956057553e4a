/* SPDX-License-Identifier: Apache-2.0 */
#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

#include "transport/internal.h"

/* What this build has of WebSocket; ws_none.c is the other answer. */

opamp_status opamp__ws_supported(void) {
  return OPAMP_OK;
}

void opamp__ws_version(char *out, size_t size) {
  const char *lws = lws_get_library_version(); /* "4.1.6-<commit or nothing>" */
  snprintf(out, size, "libwebsockets %.*s", (int)strcspn(lws, "-"), lws);
}
