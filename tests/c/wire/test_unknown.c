/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"

/* Field 100 as varint, 64 bits, bytes and 32 bits, then field 4. */
static const uint8_t wire[] = {0xa0, 0x06, 0x96, 0x01, /* varint */
                               0xa1, 0x06, 1,    2,    3, 4,
                               5,    6,    7,    8,             /* 64 bits */
                               0xa2, 0x06, 0x03, 'a',  0, 0xff, /* bytes */
                               0xa5, 0x06, 1,    2,    3, 4,    /* 32 bits */
                               0x20, 0x07};

static opamp_msg *parsed(void) {
  opamp_msg *m;
  opamp_bytes b = {wire, sizeof wire};
  CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_OK);
  CHECK_EQ(opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_CAPABILITIES, 0), 7);
  return m;
}

static void check_kept(opamp__buf packed) {
  CHECK_EQ(packed.len, sizeof wire);
  CHECK_MEM(packed.ptr, 2, "\x20\x07", 2);
  CHECK_MEM(packed.ptr + 2, packed.len - 2, wire, sizeof wire - 2);
  opamp__buf_free(&packed);
}

/* Covers: WIRE-7 */
TEST(unknown_fields_survive) {
  opamp_msg *m = parsed(), *copy;
  check_kept(gen_pack(m));
  check_kept(gen_canonical(m));
  CHECK_EQ(opamp_msg_dup(&copy, m), OPAMP_OK);
  check_kept(gen_pack(copy));
  opamp_msg_free(copy);
  opamp_msg_free(m);
}

/* Covers: WIRE-7 */
TEST(unknown_fields_of_a_sub_message_survive) {
  opamp__buf b = {0};
  CHECK(opamp__put_bytes(&b, OPAMP_AGENT_TO_SERVER_HEALTH,
                         (opamp_bytes){wire, sizeof wire - 2}));
  opamp_msg *m = gen_parse(OPAMP_MSG_AGENT_TO_SERVER, b);
  opamp__buf packed = gen_pack(m);
  CHECK_MEM(packed.ptr, packed.len, b.ptr, b.len);
  opamp__buf_free(&packed);
  opamp__buf_free(&b);
  opamp_msg_free(m);
}

/* Covers: WIRE-7 */
TEST(unknown_enumeration_values_survive) {
  static const uint8_t negative[] = {0x10, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0x01};
  static const uint8_t large[] = {0x10, 0xe7, 0x07};
  opamp_bytes list[] = {{negative, sizeof negative}, {large, sizeof large}};
  uint64_t values[] = {UINT64_MAX, 999};
  for (size_t i = 0; i < 2; i++) {
    opamp_msg *m;
    CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_REMOTE_CONFIG_STATUS, list[i]),
             OPAMP_OK);
    CHECK(opamp_msg_u64(m, OPAMP_REMOTE_CONFIG_STATUS_STATUS, 0) == values[i]);
    opamp__buf packed = gen_pack(m);
    CHECK_MEM(packed.ptr, packed.len, list[i].ptr, list[i].len);
    opamp__buf_free(&packed);
    opamp_msg_free(m);
  }
}
