/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <uv.h>

#include "opamp/types.h"
#include "transport/transport.h"
#include "wire/wire.h"

/* Each layer says which version of its libraries was loaded, which need not be
 * the one it was built against. */

static char details[256];

static void make_details(void) {
  char transport[160];
  opamp__transport_versions(transport, sizeof transport);
  snprintf(details, sizeof details, "%s, libuv %s, protobuf-c %s", transport,
           uv_version_string(), opamp__protobuf_version());
}

const char *opamp_version_details(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_details);
  return details;
}
