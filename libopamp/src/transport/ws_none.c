/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "transport/internal.h"

/* In place of the other ws_*.c, in a build without WebSocket. */

opamp_status opamp__ws_supported(void) {
  return opamp__fail(OPAMP_ERR_UNSUPPORTED,
                     "url: this build of libopamp has no WebSocket "
                     "(OPAMP_WITH_WEBSOCKET=OFF); http:// and https:// work");
}

void opamp__ws_version(char *out, size_t size) {
  snprintf(out, size, "no WebSocket");
}

opamp_status opamp__ws_open(opamp__conn **out, opamp__transport *t,
                            const opamp__endpoint *ep) {
  (void)t, (void)ep;
  *out = NULL;
  return opamp__ws_supported();
}

opamp_status opamp__ws_prepare(opamp__transport *t) {
  (void)t;
  return OPAMP_OK;
}

void opamp__ws_close_relays(opamp__transport *t) {
  (void)t;
}

bool opamp__ws_shutdown(opamp__transport *t) {
  (void)t;
  return true;
}
