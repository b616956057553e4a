/* SPDX-License-Identifier: Apache-2.0 */
#include "base/redact.h"

#include "base/error.h"
#include "runtime/runtime.h"

/* An effective configuration without the secrets that option REDACT names
 * (SEC-4). */

static opamp_status redact_file(opamp_msg *map, opamp_str name,
                                opamp_bytes body, opamp_str patterns) {
  opamp_str text = {(const char *)body.ptr, body.len};
  opamp__buf out = {NULL, 0, 0};
  opamp_msg *file;
  opamp_status status =
      opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, name);
  if (status == OPAMP_OK && !opamp__redact(&out, text, patterns))
    status = opamp__nomem();
  if (status == OPAMP_OK)
    status = opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                                 opamp__buf_bytes(&out));
  opamp__buf_wipe_free(&out);
  return status;
}

opamp_status opamp__redacted(opamp_msg **out, const opamp_msg *effective,
                             opamp_str patterns) {
  const opamp_msg *from =
      opamp_msg_sub(effective, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP, 0);
  size_t n = opamp_msg_count(from, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP);
  opamp_msg *map;
  opamp_status status = opamp_msg_dup(out, effective);
  if (status == OPAMP_OK && n > 0)
    status = opamp_msg_add(&map, *out, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  for (size_t i = 0; status == OPAMP_OK && i < n; i++) {
    const opamp_msg *file =
        opamp_msg_sub(from, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, i);
    status = redact_file(
        map, opamp_msg_key(from, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, i),
        opamp_msg_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0), patterns);
  }
  if (status != OPAMP_OK) {
    opamp_msg_free(*out);
    *out = NULL;
  }
  return status;
}
