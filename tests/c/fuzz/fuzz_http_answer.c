/* SPDX-License-Identifier: Apache-2.0 */
/* What a server answers to a POST, through the transport on libcurl: how the
 * client behaves (rig.h), then the bytes in pieces, each behind its length. */
#include "rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  rig r;
  rig_open(&r, "http", fuzz_byte(&in));
  if (rig_request(&r)) rig_say_pieces(&r, &in);
  rig_close(&r);
  return 0;
}
