/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/status.h"

#include "opamp/types.h"

#define CASE(name) \
  case name:       \
    return #name

const char *opamp_status_name(opamp_status s) {
  switch (s) {
    CASE(OPAMP_OK);
    CASE(OPAMP_ERR_NOMEM);
    CASE(OPAMP_ERR_INVALID);
    CASE(OPAMP_ERR_STATE);
    CASE(OPAMP_ERR_TYPE);
    CASE(OPAMP_ERR_BUSY);
    CASE(OPAMP_ERR_TIMEOUT);
    CASE(OPAMP_ERR_UNSUPPORTED);
    CASE(OPAMP_ERR_FULL);
    CASE(OPAMP_ERR_NOTFOUND);
    CASE(OPAMP_ERR_SPACE);
    CASE(OPAMP_ERR_FORKED);
    CASE(OPAMP_ERR_TRANSPORT);
    CASE(OPAMP_ERR_TLS);
    CASE(OPAMP_ERR_HTTP);
    CASE(OPAMP_ERR_RESOLVE);
    CASE(OPAMP_ERR_CLOSED);
    CASE(OPAMP_ERR_REDIRECT);
    CASE(OPAMP_ERR_IO);
    CASE(OPAMP_ERR_UNAVAILABLE);
    CASE(OPAMP_ERR_DECODE);
    CASE(OPAMP_ERR_LIMIT);
    CASE(OPAMP_ERR_UTF8);
    CASE(OPAMP_ERR_DEPTH);
    CASE(OPAMP_ERR_FRAME);
    CASE(OPAMP_ERR_TEXT_FRAME);
    CASE(OPAMP_ERR_FOREIGN_UID);
    CASE(OPAMP_ERR_REFUSED);
    default:
      return "OPAMP_ERR_UNKNOWN";
  }
}

uint32_t opamp_version(void) {
  return (uint32_t)OPAMP_VERSION_MAJOR << 16 |
         (uint32_t)OPAMP_VERSION_MINOR << 8 | (uint32_t)OPAMP_VERSION_PATCH;
}

#define TEXT(x) #x
#define DOTTED(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)

const char *opamp_version_text(void) {
  return DOTTED(OPAMP_VERSION_MAJOR, OPAMP_VERSION_MINOR, OPAMP_VERSION_PATCH);
}

const char *opamp_spec_version(void) {
  return "0.20.0";
}
