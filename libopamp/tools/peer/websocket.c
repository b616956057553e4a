/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/websocket.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/text.h"
#include "peer/deflate.h"

bool ws_accept(char out[WS_ACCEPT_TEXT], const char *key) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  tool_buf text = {0};
  bool ok = false;
  tool_buf_text(&text, key);
  tool_buf_text(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  if (text.failed ||
      EVP_Digest(text.ptr, text.len, digest, &len, EVP_sha1(), NULL) != 1)
    goto done;
  tool_buf_clear(&text);
  tool_base64_format(&text, (opamp_bytes){digest, len});
  if (text.failed || text.len != WS_ACCEPT_TEXT - 1) goto done;
  memcpy(out, text.ptr, text.len);
  out[text.len] = '\0';
  ok = true;

done:
  tool_buf_free(&text);
  return ok;
}

/* --- frames in ------------------------------------------------------------ */

void ws_reader_free(ws_reader *r) {
  tool_buf_free(&r->payload);
  tool_buf_free(&r->pieces);
  tool_buf_free(&r->control);
}

int ws_close_code(const ws_reader *r) {
  if (r->payload.len < 2) return 1005;
  return r->payload.ptr[0] << 8 | r->payload.ptr[1];
}

static ws_result bad(ws_reader *r, int code, const char *why) {
  r->close_code = code;
  r->why = why;
  return WS_BAD;
}

static int frame_opcode(const ws_reader *r) {
  return r->head[0] & 0x0f;
}

static bool frame_is_control(const ws_reader *r) {
  return (r->head[0] & 0x08) != 0;
}

/* How long the head is, as far as its first two bytes tell. */
static size_t head_size(const ws_reader *r) {
  if (r->head_len < 2) return 2;
  int n = r->head[1] & 0x7f;
  return 2U + (n == 126 ? 2U : n == 127 ? 8U : 0U) + 4U;
}

static uint64_t frame_length(const ws_reader *r) {
  uint64_t v = 0;
  int n = r->head[1] & 0x7f;
  if (n < 126) return (uint64_t)n;
  for (int i = 0; i < (n == 126 ? 2 : 8); i++) v = v << 8 | r->head[2 + i];
  return v;
}

/* RFC 6455 5.2: what is wrong with the first two bytes, or NULL. */
static const char *check_head(const ws_reader *r) {
  int opcode = frame_opcode(r);
  bool first = opcode == WS_TEXT || opcode == WS_BINARY;
  bool rsv1 = (r->head[0] & 0x40) != 0;
  if ((r->head[0] & 0x30) != 0) return "reserved bit set";
  if (rsv1 && !(first && r->deflate)) return "compression not negotiated";
  if ((r->head[1] & 0x80) == 0) return "frame not masked";
  if (frame_is_control(r)) {
    if (opcode > WS_PONG) return "unknown opcode";
    if ((r->head[0] & 0x80) == 0) return "fragmented control frame";
    if ((r->head[1] & 0x7f) > 125) return "control frame too long";
    return NULL;
  }
  if (opcode > WS_BINARY) return "unknown opcode";
  if (first && r->message != 0) return "message inside another one";
  if (!first && r->message == 0) return "continuation of nothing";
  return NULL;
}

/* The head is complete. */
static ws_result begin_frame(ws_reader *r) {
  uint64_t n = frame_length(r);
  int form = r->head[1] & 0x7f;
  if ((form == 126 && n < 126) || (form == 127 && (n >> 16 == 0 || n >> 63)))
    return bad(r, 1002, "frame length not minimal");
  if (!frame_is_control(r)) {
    if (n > r->max - r->pieces.len) return bad(r, 1009, "message too big");
    if (r->message == 0) {
      r->message = frame_opcode(r);
      r->compressed = (r->head[0] & 0x40) != 0;
    }
  }
  r->left = n;
  r->mask_at = 0;
  r->in_payload = true;
  return WS_MORE;
}

static ws_result feed_head(ws_reader *r, const uint8_t *bytes, size_t n,
                           size_t *used) {
  while (*used < n && r->head_len < head_size(r)) {
    r->head[r->head_len++] = bytes[(*used)++];
    if (r->head_len == 2) {
      const char *why = check_head(r);
      if (why != NULL) return bad(r, 1002, why);
    }
  }
  return r->head_len == head_size(r) ? begin_frame(r) : WS_MORE;
}

static bool feed_payload(ws_reader *r, const uint8_t *bytes, size_t n,
                         size_t *used) {
  tool_buf *to = frame_is_control(r) ? &r->control : &r->pieces;
  size_t k = n - *used < r->left ? n - *used : (size_t)r->left;
  uint8_t *p = tool_buf_reserve(to, k);
  if (p == NULL) return false;
  const uint8_t *mask = r->head + head_size(r) - 4;
  for (size_t i = 0; i < k; i++)
    p[i] = bytes[*used + i] ^ mask[(r->mask_at + i) & 3];
  to->len += k;
  r->mask_at = (uint8_t)((r->mask_at + k) & 3);
  *used += k;
  r->left -= k;
  return true;
}

static ws_result message_done(ws_reader *r) {
  r->opcode = r->message;
  r->message = 0;
  tool_buf_clear(&r->payload);
  if (!r->compressed) {
    tool_buf t = r->payload;
    r->payload = r->pieces;
    r->pieces = t;
    return WS_EVENT;
  }
  deflate_result rc =
      deflate_unpack(&r->payload, DEFLATE_RAW,
                     (opamp_bytes){r->pieces.ptr, r->pieces.len}, r->max);
  tool_buf_clear(&r->pieces);
  if (rc == DEFLATE_OK) return WS_EVENT;
  return rc == DEFLATE_LARGE ? bad(r, 1009, "message too big")
         : rc == DEFLATE_BAD ? bad(r, 1007, "bad compressed message")
                             : bad(r, 1011, "out of memory");
}

static ws_result frame_done(ws_reader *r) {
  bool fin = (r->head[0] & 0x80) != 0;
  r->head_len = 0;
  r->in_payload = false;
  if (!frame_is_control(r)) return fin ? message_done(r) : WS_MORE;
  r->opcode = frame_opcode(r);
  tool_buf_clear(&r->payload);
  tool_buf_add(&r->payload, r->control.ptr, r->control.len);
  tool_buf_clear(&r->control);
  if (r->opcode == WS_CLOSE && r->payload.len == 1)
    return bad(r, 1002, "Close with half a code");
  return r->payload.failed ? bad(r, 1011, "out of memory") : WS_EVENT;
}

ws_result ws_feed(ws_reader *r, const uint8_t *bytes, size_t n, size_t *used) {
  *used = 0;
  while (*used < n) {
    ws_result rc = WS_MORE;
    if (!r->in_payload)
      rc = feed_head(r, bytes, n, used);
    else if (!feed_payload(r, bytes, n, used))
      rc = bad(r, 1011, "out of memory");
    if (rc == WS_MORE && r->in_payload && r->left == 0) rc = frame_done(r);
    if (rc != WS_MORE) return rc;
  }
  return WS_MORE;
}

/* --- frames out ----------------------------------------------------------- */

void ws_write_frame(tool_buf *out, int opcode, bool fin, bool compressed,
                    opamp_bytes payload) {
  uint8_t head[10];
  size_t n = 2;
  head[0] =
      (uint8_t)((fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | (opcode & 0x0f));
  if (payload.len < 126) {
    head[1] = (uint8_t)payload.len;
  } else {
    size_t width = payload.len <= 0xffff ? 2 : 8;
    head[1] = width == 2 ? 126 : 127;
    for (size_t i = 0; i < width; i++)
      head[n++] = (uint8_t)((uint64_t)payload.len >> (8 * (width - 1 - i)));
  }
  tool_buf_add(out, head, n);
  tool_buf_add(out, payload.ptr, payload.len);
}

void ws_write_message(tool_buf *out, int opcode, opamp_bytes payload,
                      size_t piece, int deflate_bits) {
  tool_buf packed = {0};
  bool compressed = deflate_bits != 0;
  if (compressed) {
    if (deflate_pack(&packed, DEFLATE_RAW, deflate_bits, payload) != DEFLATE_OK)
      out->failed = true;
    payload = (opamp_bytes){packed.ptr, packed.len};
  }
  bool first = true;
  do {
    size_t k = piece != 0 && payload.len > piece ? piece : payload.len;
    ws_write_frame(out, first ? opcode : WS_CONTINUATION, k == payload.len,
                   first && compressed, (opamp_bytes){payload.ptr, k});
    first = false;
    payload.len -= k;
    if (k > 0) payload.ptr += k;
  } while (payload.len > 0);
  tool_buf_free(&packed);
}

void ws_write_close(tool_buf *out, int code, const char *reason) {
  uint8_t payload[125];
  size_t n = 0;
  if (code != 0) {
    payload[n++] = (uint8_t)(code >> 8);
    payload[n++] = (uint8_t)code;
    size_t k = strlen(reason);
    if (k > sizeof payload - n) k = sizeof payload - n;
    memcpy(payload + n, reason, k);
    n += k;
  }
  ws_write_frame(out, WS_CLOSE, true, false, (opamp_bytes){payload, n});
}
