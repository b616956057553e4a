/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls_version.h"

#include "base/str.h"

static opamp_str skip(opamp_str text, opamp_str word) {
  opamp_str front = {text.ptr, word.len};
  if (text.len < word.len || !opamp__str_case_eq(front, word)) return text;
  return (opamp_str){text.ptr + word.len, text.len - word.len};
}

int opamp__tls_version(opamp_str text) {
  text = skip(skip(text, OPAMP__LIT("TLS")), OPAMP__LIT("v"));
  text = opamp__str_trim(text);
  if (opamp__str_eq(text, OPAMP__LIT("1"))) return 10;
  if (text.len != 3 || text.ptr[0] != '1' || text.ptr[1] != '.') return 0;
  return text.ptr[2] >= '0' && text.ptr[2] <= '3' ? 10 + (text.ptr[2] - '0')
                                                  : 0;
}
