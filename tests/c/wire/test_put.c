/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"

static size_t header(const char *hex, size_t n) {
  return opamp__ws_header((const uint8_t *)hex, n);
}

/* Covers: WIRE-1 */
TEST(the_header_is_a_zero) {
  CHECK_EQ(header("\0", 1), 1);
  CHECK_EQ(header("\0\x0a", 2), 1);
}

/* Covers: WIRE-2 */
TEST(a_zero_may_take_up_to_ten_bytes) {
  uint8_t zero[12] = {0};
  for (size_t n = 1; n <= 12; n++) {
    memset(zero, 0x80, sizeof zero);
    zero[n - 1] = 0;
    CHECK_EQ(opamp__ws_header(zero, n), n <= 10 ? n : 0);
    CHECK_EQ(opamp__ws_header(zero, n - 1), 0);
  }
}

/* Covers: WIRE-2 */
TEST(any_other_header_is_malformed) {
  CHECK_EQ(header("", 0), 0);
  CHECK_EQ(header("\x01", 1), 0);
  CHECK_EQ(header("\x80\x01", 2), 0);
  CHECK_EQ(header("\x81\x00", 2), 0);
  CHECK_EQ(header("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10), 0);
}

/* Covers: WIRE-1 */
TEST(nothing_behind_the_header_is_an_empty_message) {
  opamp_msg *m;
  opamp_bytes empty = {NULL, 0};
  CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_SERVER_TO_AGENT, empty), OPAMP_OK);
  size_t len = 0;
  CHECK_EQ(opamp_msg_pack(m, NULL, &len), OPAMP_OK);
  CHECK_EQ(len, 0);
  opamp_msg_free(m);
}

TEST(a_message_put_together_by_hand) {
  opamp__buf b = {0};
  opamp_bytes uid = {(const uint8_t *)"0123456789abcdef", 16};
  CHECK(opamp__put_bytes(&b, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, uid));
  CHECK_EQ(b.len, opamp__bytes_field_size(1, 16));
  CHECK(opamp__put_varint(&b, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, UINT64_MAX));
  CHECK(opamp__put_varint(&b, OPAMP_AGENT_TO_SERVER_FLAGS, 1));
  opamp_msg *m = gen_parse(OPAMP_MSG_AGENT_TO_SERVER, b);
  opamp_bytes got = opamp_msg_bytes(m, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, 0);
  CHECK_MEM(got.ptr, got.len, uid.ptr, uid.len);
  CHECK(opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0) == UINT64_MAX);
  CHECK_EQ(opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_FLAGS, 0), 1);
  opamp_msg_free(m);
  opamp__buf_free(&b);
}

TEST(sizes_of_fields) {
  CHECK_EQ(opamp__bytes_field_size(1, 0), 2);
  CHECK_EQ(opamp__bytes_field_size(15, 127), 129);
  CHECK_EQ(opamp__bytes_field_size(16, 128), 132);
}
