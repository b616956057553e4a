/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket codec of opamp-peer. */
#include "peer/websocket.h"

#include <stdlib.h>

#include "harness.h"
#include "peer/deflate.h"

/* A client's frame: masked. `form` is the width of the length: 1, 2 or 8. */
static void put_frame(tool_buf *out, int first, int form, const void *payload,
                      size_t n) {
  static const uint8_t mask[4] = {0x12, 0xff, 0x00, 0x77};
  const uint8_t *p = payload;
  uint8_t head[2] = {(uint8_t)first, (uint8_t)(0x80 | (form == 1   ? (int)n
                                                       : form == 2 ? 126
                                                                   : 127))};
  tool_buf_add(out, head, 2);
  for (int i = form == 1 ? 0 : form; i-- > 0;) {
    uint8_t byte = (uint8_t)((uint64_t)n >> (8 * i));
    tool_buf_add(out, &byte, 1);
  }
  tool_buf_add(out, mask, 4);
  for (size_t i = 0; i < n; i++) {
    uint8_t byte = p[i] ^ mask[i & 3];
    tool_buf_add(out, &byte, 1);
  }
}

static void put(tool_buf *out, int first, const char *text) {
  put_frame(out, first, 1, text, strlen(text));
}

/* Feeds a piece and notes each event as "opcode:payload;". */
static ws_result feed(ws_reader *r, tool_buf *notes, const uint8_t *bytes,
                      size_t n) {
  size_t at = 0, used;
  while (at < n) {
    ws_result rc = ws_feed(r, bytes + at, n - at, &used);
    at += used;
    if (rc == WS_BAD) return rc;
    if (rc == WS_EVENT)
      tool_buf_printf(notes, "%d:%.*s;", r->opcode, (int)r->payload.len,
                      r->payload.len > 0 ? (const char *)r->payload.ptr : "");
  }
  return WS_MORE;
}

TEST(accept_key) {
  char out[WS_ACCEPT_TEXT];
  CHECK(ws_accept(out, "dGhlIHNhbXBsZSBub25jZQ=="));
  CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(split_at_every_byte) {
  static const char expected[] = "2:hello;9:p;1:one two;8:\x03\xe8;2:;";
  tool_buf in = {0};
  put(&in, 0x82, "hello");
  put(&in, 0x01, "one");
  put(&in, 0x89, "p");
  put(&in, 0x00, " t");
  put(&in, 0x80, "wo");
  put(&in, 0x88, "\x03\xe8");
  put(&in, 0x82, "");
  for (size_t i = 0; i <= in.len; i++) {
    ws_reader r = {.max = 100};
    tool_buf notes = {0};
    CHECK_EQ(feed(&r, &notes, in.ptr, i), WS_MORE);
    CHECK_EQ(feed(&r, &notes, in.ptr + i, in.len - i), WS_MORE);
    CHECK_MEM(notes.ptr, notes.len, expected, sizeof expected - 1);
    tool_buf_free(&notes);
    ws_reader_free(&r);
  }
  tool_buf_free(&in);
}

TEST(lengths) {
  static const struct {
    size_t n;
    int form;
  } rows[] = {{0, 1}, {125, 1}, {126, 2}, {65535, 2}, {65536, 8}, {200000, 8}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t *payload = calloc(rows[i].n + 1, 1);
    tool_buf in = {0};
    size_t used;
    CHECK(payload != NULL);
    for (size_t k = 0; k < rows[i].n; k++) payload[k] = (uint8_t)(k * 7);
    put_frame(&in, 0x82, rows[i].form, payload, rows[i].n);
    ws_reader r = {.max = 200000};
    CHECK_EQ(ws_feed(&r, in.ptr, in.len, &used), WS_EVENT);
    CHECK_EQ(used, in.len);
    CHECK_MEM(r.payload.ptr, r.payload.len, payload, rows[i].n);
    ws_reader_free(&r);
    tool_buf_free(&in);
    free(payload);
  }
}

/* The close code that these bytes earn; 0: none. */
static int code_of(const tool_buf *in, bool deflate) {
  ws_reader r = {.max = 100, .deflate = deflate};
  tool_buf notes = {0};
  int code = feed(&r, &notes, in->ptr, in->len) == WS_BAD ? r.close_code : 0;
  tool_buf_free(&notes);
  ws_reader_free(&r);
  return code;
}

TEST(rules) {
  static const struct {
    const char *frames; /* first bytes in hex; each frame holds "xy" */
    bool deflate;
    int code;
  } rows[] = {
      {"82", false, 0},      {"81", false, 0},      {"80", false, 1002},
      {"0201", false, 1002}, {"0282", false, 1002}, {"028a80", false, 0},
      {"83", false, 1002},   {"8b", false, 1002},   {"09", false, 1002},
      {"a2", false, 1002},   {"92", false, 1002},   {"c2", false, 1002},
      {"c9", true, 1002},    {"02c0", true, 1002},  {"c2", true, 1007},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tool_buf in = {0};
    for (const char *p = rows[i].frames; *p != '\0'; p += 2) {
      char byte[3] = {p[0], p[1], '\0'};
      put(&in, (int)strtol(byte, NULL, 16), "xy");
    }
    int code = code_of(&in, rows[i].deflate);
    if (code != rows[i].code)
      harness_fail(__FILE__, __LINE__, "%s gives %d, not %d", rows[i].frames,
                   code, rows[i].code);
    tool_buf_free(&in);
  }
}

TEST(bad_heads) {
  static const struct {
    const char *bytes;
    size_t n;
    int code;
  } rows[] = {
      {"\x82\x02", 2, 1002}, /* not masked */
      {"\x89\xfe", 2, 1002}, /* long ping */
      {"\x82\xfe\x00\x7d"
       "mask",
       8, 1002}, /* not minimal */
      {"\x82\xff\0\0\0\0\0\0\xff\xff"
       "mask",
       14, 1002}, /* not minimal */
      {"\x82\xff\x80\0\0\0\0\0\0\0"
       "mask",
       14, 1002}, /* 2^63 */
      {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
       "mask",
       14, 1009},
      {"\x82\xe5"
       "mask",
       6, 1009}, /* 101 bytes */
      {"\x88\x81"
       "maskx",
       7, 1002}, /* half a code */
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tool_buf in = {0};
    tool_buf_add(&in, rows[i].bytes, rows[i].n);
    CHECK_EQ(code_of(&in, false), rows[i].code);
    tool_buf_free(&in);
  }
}

TEST(fragments_together_are_bounded) {
  char half[61];
  tool_buf in = {0};
  memset(half, 'x', 60);
  half[60] = '\0';
  put(&in, 0x02, half);
  put(&in, 0x80, half);
  CHECK_EQ(code_of(&in, false), 1009);
  tool_buf_free(&in);
}

TEST(compressed_messages) {
  static const char text[] = "hello hello hello hello";
  tool_buf packed = {0}, in = {0}, notes = {0};
  opamp_bytes plain = {(const uint8_t *)text, sizeof text - 1};
  CHECK_EQ(deflate_pack(&packed, DEFLATE_RAW, 15, plain), DEFLATE_OK);
  put_frame(&in, 0x42, 1, packed.ptr, 4);
  put(&in, 0x89, "p");
  put_frame(&in, 0x80, 1, packed.ptr + 4, packed.len - 4);
  put(&in, 0x82, "plain");
  ws_reader r = {.max = 100, .deflate = true};
  CHECK_EQ(feed(&r, &notes, in.ptr, in.len), WS_MORE);
  tool_buf_add(&notes, "", 1);
  CHECK_STR((char *)notes.ptr, "9:p;2:hello hello hello hello;2:plain;");
  ws_reader_free(&r);
  tool_buf_free(&packed);
  tool_buf_free(&in);
  tool_buf_free(&notes);
}

TEST(a_bomb_is_too_big) {
  enum { SIZE = 1000 };
  uint8_t *zeros = calloc(SIZE, 1);
  tool_buf packed = {0}, in = {0};
  CHECK(zeros != NULL);
  CHECK_EQ(deflate_pack(&packed, DEFLATE_RAW, 15, (opamp_bytes){zeros, SIZE}),
           DEFLATE_OK);
  CHECK(packed.len < 100);
  put_frame(&in, 0xc2, 1, packed.ptr, packed.len);
  CHECK_EQ(code_of(&in, true), 1009);
  free(zeros);
  tool_buf_free(&packed);
  tool_buf_free(&in);
}

TEST(deflate_negotiation) {
  static const struct {
    const char *offers;
    int bits;
    const char *more; /* what the answer ends with */
  } rows[] = {
      {"permessage-deflate", 15, "client_no_context_takeover"},
      {"Permessage-Deflate ; client_max_window_bits", 15, "takeover"},
      {"permessage-deflate; client_max_window_bits=10", 15, "takeover"},
      {"permessage-deflate; server_max_window_bits=\"9\"", 9, "_bits=9"},
      {"permessage-deflate; server_max_window_bits=8", 0, ""},
      {"permessage-deflate; server_max_window_bits", 0, ""},
      {"permessage-deflate; server_max_window_bits=16", 0, ""},
      {"permessage-deflate; server_max_window_bits=8, permessage-deflate", 15,
       "takeover"},
      {"permessage-deflate; unknown", 0, ""},
      {"x-webkit-deflate-frame, permessage-deflate", 15, "takeover"},
      {"", 0, ""},
      {",,;=;,", 0, ""},
      {"a\"b", 0, ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tool_buf answer = {0};
    CHECK_EQ(ws_negotiate_deflate(&answer, rows[i].offers), rows[i].bits);
    size_t n = strlen(rows[i].more);
    CHECK(answer.len >= n && (n > 0 || answer.len == 0));
    if (n > 0) CHECK_MEM(answer.ptr + answer.len - n, n, rows[i].more, n);
    tool_buf_free(&answer);
  }
}

TEST(small_windows_are_kept_to) {
  enum { SIZE = 4096 };
  uint8_t plain[SIZE];
  tool_buf packed = {0}, back = {0};
  for (size_t i = 0; i < SIZE; i++) plain[i] = (uint8_t)(i * i >> 3);
  for (int bits = 9; bits <= 15; bits++) {
    tool_buf_clear(&packed);
    tool_buf_clear(&back);
    CHECK_EQ(
        deflate_pack(&packed, DEFLATE_RAW, bits, (opamp_bytes){plain, SIZE}),
        DEFLATE_OK);
    CHECK_EQ(deflate_unpack(&back, DEFLATE_RAW,
                            (opamp_bytes){packed.ptr, packed.len}, SIZE),
             DEFLATE_OK);
    CHECK_MEM(back.ptr, back.len, plain, SIZE);
  }
  tool_buf_free(&packed);
  tool_buf_free(&back);
}

TEST(messages_out) {
  tool_buf out = {0};
  opamp_bytes text = {(const uint8_t *)"abcdefg", 7};
  ws_write_message(&out, WS_BINARY, text, 3, 0);
  CHECK_MEM(out.ptr, out.len,
            "\x02\x03"
            "abc\x00\x03"
            "def\x80\x01g",
            13);
  tool_buf_clear(&out);
  ws_write_message(&out, WS_TEXT, (opamp_bytes){NULL, 0}, 3, 0);
  CHECK_MEM(out.ptr, out.len, "\x81\x00", 2);
  tool_buf_clear(&out);
  ws_write_close(&out, 4001, "no");
  CHECK_MEM(out.ptr, out.len, "\x88\x04\x0f\xa1no", 6);
  tool_buf_clear(&out);
  ws_write_close(&out, 0, "no");
  CHECK_MEM(out.ptr, out.len, "\x88\x00", 2);
  tool_buf_free(&out);
}
