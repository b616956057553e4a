/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <string.h>

#include "base/error.h"

void opamp__uuid7(uint8_t out[OPAMP_UID_LEN], uint64_t unix_ms,
                  const uint8_t random[10]) {
  for (int i = 0; i < 6; i++) out[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
  memcpy(out + 6, random, 10);
  out[6] = (uint8_t)(0x70 | (out[6] & 0x0f)); /* version 7 */
  out[8] = (uint8_t)(0x80 | (out[8] & 0x3f)); /* variant of RFC 9562 */
}

/* A dash stands before bytes 4, 6, 8 and 10. */
static bool dash_before(int i) {
  return i == 4 || i == 6 || i == 8 || i == 10;
}

void opamp_uid_format(const uint8_t *uid, char *text) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < OPAMP_UID_LEN; i++) {
    if (dash_before(i)) *text++ = '-';
    *text++ = digits[uid[i] >> 4];
    *text++ = digits[uid[i] & 15];
  }
  *text = '\0';
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

opamp_status opamp_uid_parse(uint8_t *uid, opamp_str text) {
  uint8_t parsed[OPAMP_UID_LEN];
  const char *p = text.ptr;
  bool ok = text.len == OPAMP_UID_TEXT_LEN;
  for (int i = 0; ok && i < OPAMP_UID_LEN; i++) {
    if (dash_before(i)) ok = *p++ == '-';
    int high = hex(p[0]), low = hex(p[1]);
    ok = ok && high >= 0 && low >= 0;
    if (ok) parsed[i] = (uint8_t)(high * 16 + low);
    p += 2;
  }
  if (!ok)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "instance uid: not the text of a UUID");
  memcpy(uid, parsed, sizeof parsed);
  return OPAMP_OK;
}

bool opamp__uuid_is_zero(const uint8_t uid[OPAMP_UID_LEN]) {
  uint8_t any = 0;
  for (int i = 0; i < OPAMP_UID_LEN; i++) any |= uid[i];
  return any == 0;
}
