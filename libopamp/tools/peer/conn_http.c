/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/text.h"
#include "peer/deflate.h"
#include "peer/internal.h"

static const char protobuf[] = "application/x-protobuf";

/* --- what a request says -------------------------------------------------- */

json_t *conn_headers(const conn *c) {
  const http1_request *r = &c->http.request;
  json_t *object = json_object();
  for (size_t i = 0; i < r->header_count; i++) {
    const char *name = http1_header_name(r, i);
    json_t *value = peer_text(http1_header_value(r, i));
    json_t *before = json_object_get(object, name);
    if (before != NULL) {
      json_t *both = json_sprintf("%s, %s", json_string_value(before),
                                  json_string_value(value));
      json_decref(value);
      value = both;
    }
    json_object_set_new(object, name, value);
  }
  return object;
}

static json_t *name_text(const X509_NAME *name) {
  char *text = X509_NAME_oneline(name, NULL, 0);
  json_t *j = text != NULL ? peer_text(text) : NULL;
  OPENSSL_free(text);
  return j;
}

static json_t *certificate_fields(const X509 *cert) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  char until[32] = "";
  struct tm tm;
  tool_buf hex = {0};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
    strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &tm);
  if (X509_digest(cert, EVP_sha256(), digest, &n) == 1)
    tool_hex_format(&hex, (opamp_bytes){digest, n});
  json_t *fields = json_pack(
      "{s:o, s:o, s:s, s:o}", "subject", name_text(X509_get_subject_name(cert)),
      "issuer", name_text(X509_get_issuer_name(cert)), "not_after", until,
      "sha256", json_stringn((const char *)hex.ptr, hex.len));
  tool_buf_free(&hex);
  return fields;
}

/* What TLS came to; the agent's certificate when it has shown one. */
static json_t *tls_fields(const SSL *ssl) {
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  X509 *cert = SSL_get0_peer_certificate(ssl);
  json_t *fields = json_pack("{s:s, s:s}", "version", SSL_get_version(ssl),
                             "cipher", SSL_get_cipher_name(ssl));
  if (name != NULL) json_object_set_new(fields, "server_name", peer_text(name));
  if (cert != NULL)
    json_object_set_new(fields, "client_certificate", certificate_fields(cert));
  return fields;
}

static void announce(conn *c, const char *transport) {
  const SSL *ssl = stream_tls(c->stream);
  if (c->announced) return;
  c->announced = true;
  json_t *fields = json_pack("{s:I, s:s, s:o, s:o}", "connection",
                             (json_int_t)c->number, "transport", transport,
                             "path", peer_text(http1_target(&c->http.request)),
                             "headers", conn_headers(c));
  if (ssl != NULL) json_object_set_new(fields, "tls", tls_fields(ssl));
  peer_emit(c->peer, "connected", fields);
}

static bool is_post(const http1_request *r) {
  return strcmp(http1_method(r), "POST") == 0;
}

static bool is_upgrade(const http1_request *r) {
  return strcmp(http1_method(r), "GET") == 0 &&
         http1_header_has(r, "Upgrade", "websocket");
}

/* --- responses ------------------------------------------------------------ */

/* The request at hand is answered: the connection goes on, or not. */
static void request_done(conn *c) {
  bool keep = c->http.request.keep_alive;
  c->asked = false;
  http1_next(&c->http);
  if (keep)
    conn_read(c);
  else
    conn_finish(c);
}

/* Appends the body, in chunks of `piece` bytes when that is not 0. */
static void add_body(tool_buf *out, opamp_bytes body, size_t piece) {
  while (piece != 0 && body.len > 0) {
    size_t k = body.len < piece ? body.len : piece;
    tool_buf_printf(out, "%zx\r\n", k);
    tool_buf_add(out, body.ptr, k);
    tool_buf_text(out, "\r\n");
    body.ptr += k;
    body.len -= k;
  }
  if (piece != 0)
    tool_buf_text(out, "0\r\n\r\n");
  else
    tool_buf_add(out, body.ptr, body.len);
}

static void write_out(conn *c, tool_buf *out) {
  if (out->failed)
    conn_reset(c);
  else
    stream_write(c->stream, (opamp_bytes){out->ptr, out->len});
  tool_buf_free(out);
}

static void respond(conn *c, int status, const char *header, const char *type,
                    opamp_bytes body) {
  tool_buf out = {0}, packed = {0};
  const http1_request *r = &c->http.request;
  size_t piece = r->minor == 1 ? c->piece : 0;
  tool_buf_printf(&out, "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
  if (header != NULL) tool_buf_printf(&out, "%s\r\n", header);
  if (type != NULL) tool_buf_printf(&out, "Content-Type: %s\r\n", type);
  if (body.len > 0 && http1_header_has(r, "Accept-Encoding", "gzip") &&
      deflate_pack(&packed, DEFLATE_GZIP, 0, body) == DEFLATE_OK) {
    body = (opamp_bytes){packed.ptr, packed.len};
    tool_buf_text(&out, "Content-Encoding: gzip\r\n");
  }
  if (piece != 0)
    tool_buf_text(&out, "Transfer-Encoding: chunked\r\n");
  else
    tool_buf_printf(&out, "Content-Length: %zu\r\n", body.len);
  if (!r->keep_alive) tool_buf_text(&out, "Connection: close\r\n");
  tool_buf_text(&out, "\r\n");
  if (strcmp(http1_method(r), "HEAD") != 0) add_body(&out, body, piece);
  tool_buf_free(&packed);
  write_out(c, &out);
  request_done(c);
}

static void respond_text(conn *c, int status, const char *header,
                         const char *text) {
  respond(c, status, header, "text/plain",
          (opamp_bytes){(const uint8_t *)text, strlen(text)});
}

/* Turns a request away that is at fault. */
static void refuse(conn *c, int status, const char *header, const char *why) {
  peer_emit(c->peer, "bad_message",
            json_pack("{s:I, s:i, s:s}", "connection", (json_int_t)c->number,
                      "http_status", status, "message", why));
  respond_text(c, status, header, why);
}

void conn_bad_request(conn *c) {
  announce(c, "http");
  c->http.request.keep_alive = false;
  refuse(c, c->http.status, NULL, c->http.why);
}

void conn_answer(conn *c, const item *it) {
  opamp_bytes body = {it->bytes.ptr, it->bytes.len};
  if (!c->asked || c->finished) return;
  peer_show_sent(c, it);
  switch (it->kind) {
    case ITEM_RAW:
      stream_write(c->stream, body);
      request_done(c);
      break;
    case ITEM_TEXT:
      respond(c, 200, NULL, "text/plain", body);
      break;
    default:
      respond(c, 200, NULL, protobuf, body);
      break;
  }
}

/* --- canned responses ----------------------------------------------------- */

static canned **canned_list(conn *c) {
  return c->responses != NULL ? &c->responses : &c->peer->responses;
}

bool conn_has_canned(const conn *c) {
  return c->responses != NULL || c->peer->responses != NULL;
}

static void canned_free(canned *c) {
  json_decref(c->headers);
  tool_buf_free(&c->body);
  free(c);
}

void canned_free_all(canned *c) {
  while (c != NULL) {
    canned *next = c->next;
    canned_free(c);
    c = next;
  }
}

/* The head as the command says; the length of the body is added unless a
 * header speaks of it. */
static void canned_head(tool_buf *out, const canned *k, bool *close) {
  const char *name;
  json_t *value;
  bool has_length = k->status < 200 || k->status == 204;
  tool_buf_printf(out, "HTTP/1.1 %d %s\r\n", k->status,
                  http1_reason(k->status));
  json_object_foreach(k->headers, name, value) {
    const char *text = json_string_value(value);
    tool_buf_printf(out, "%s: %s\r\n", name, text);
    if (strcasecmp(name, "Content-Length") == 0 ||
        strcasecmp(name, "Transfer-Encoding") == 0)
      has_length = true;
    if (strcasecmp(name, "Connection") == 0 && strcasecmp(text, "close") == 0)
      *close = true;
  }
  if (!has_length) tool_buf_printf(out, "Content-Length: %zu\r\n", k->body.len);
  tool_buf_text(out, "\r\n");
}

void conn_answer_canned(conn *c) {
  tool_buf out = {0};
  canned **list = canned_list(c);
  canned *k = *list;
  bool close = !c->http.request.keep_alive;
  if (!c->asked || c->finished || k == NULL) return;
  canned_head(&out, k, &close);
  tool_buf_add(&out, k->body.ptr, k->body.len);
  peer_emit(c->peer, "refused",
            json_pack("{s:I, s:i, s:o, s:o}", "connection",
                      (json_int_t)c->number, "http_status", k->status, "path",
                      peer_text(http1_target(&c->http.request)), "headers",
                      conn_headers(c)));
  if (--k->times == 0) {
    *list = k->next;
    canned_free(k);
  }
  c->http.request.keep_alive = !close;
  write_out(c, &out);
  request_done(c);
}

/* --- requests ------------------------------------------------------------- */

/* The body without its Content-Encoding. 0, or the status it deserves. */
static int decode_body(conn *c, tool_buf *out, opamp_bytes *body) {
  const http1_request *r = &c->http.request;
  const char *coding = http1_header_get(r, "Content-Encoding");
  *body = (opamp_bytes){r->body.ptr, r->body.len};
  if (coding == NULL || strcasecmp(coding, "identity") == 0) return 0;
  if (strcasecmp(coding, "gzip") != 0) return 415;
  deflate_result rc = deflate_unpack(out, DEFLATE_GZIP, *body, MESSAGE_MAX);
  *body = (opamp_bytes){out->ptr, out->len};
  return rc == DEFLATE_OK      ? 0
         : rc == DEFLATE_LARGE ? 413
         : rc == DEFLATE_BAD   ? 400
                               : 500;
}

static bool is_protobuf(const http1_request *r) {
  const char *type = http1_header_get(r, "Content-Type");
  size_t n = sizeof protobuf - 1;
  return type != NULL && strncasecmp(type, protobuf, n) == 0 &&
         (type[n] == '\0' || strchr("; \t", type[n]) != NULL);
}

static void post(conn *c) {
  tool_buf plain = {0};
  opamp_bytes body;
  item *answer = NULL;
  char why[256] = "bad Content-Encoding";
  int status = decode_body(c, &plain, &body);
  canned *k = *canned_list(c);
  int refused = k != NULL ? k->status : 0;
  if (status == 0 && !peer_message(c, body, refused, &answer, why, sizeof why))
    status = 400;
  if (conn_has_canned(c))
    conn_answer_canned(c);
  else if (status != 0)
    refuse(c, status, NULL, why);
  else if (answer != NULL)
    conn_answer(c, answer);
  item_free(answer);
  tool_buf_free(&plain);
}

static void upgrade(conn *c) {
  const http1_request *r = &c->http.request;
  const char *version = http1_header_get(r, "Sec-WebSocket-Version");
  const char *key = http1_header_get(r, "Sec-WebSocket-Key");
  const char *extensions = http1_header_get(r, "Sec-WebSocket-Extensions");
  char accept[WS_ACCEPT_TEXT];
  tool_buf out = {0};
  if (version == NULL || strcmp(version, "13") != 0) {
    refuse(c, 426, "Sec-WebSocket-Version: 13", "WebSocket version is not 13");
    return;
  }
  if (key == NULL || strlen(key) != 24 || !ws_accept(accept, key)) {
    refuse(c, 400, NULL, "bad Sec-WebSocket-Key");
    return;
  }
  tool_buf_printf(&out,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                  accept);
  if (extensions != NULL) {
    tool_buf answer = {0};
    c->deflate_bits = ws_negotiate_deflate(&answer, extensions);
    c->ws.deflate = c->deflate_bits != 0;
    if (c->ws.deflate)
      tool_buf_printf(&out, "Sec-WebSocket-Extensions: %.*s\r\n",
                      (int)answer.len, (const char *)answer.ptr);
    tool_buf_free(&answer);
  }
  tool_buf_text(&out, "\r\n");
  write_out(c, &out);
  c->websocket = true;
  c->asked = false;
  announce(c, "websocket");
  http1_next(&c->http);
}

static void request(conn *c) {
  const http1_request *r = &c->http.request;
  if (is_upgrade(r)) {
    if (conn_has_canned(c))
      conn_answer_canned(c);
    else
      upgrade(c);
    return;
  }
  announce(c, "http");
  if (is_post(r) && is_protobuf(r))
    post(c);
  else if (conn_has_canned(c))
    conn_answer_canned(c);
  else if (!is_post(r))
    refuse(c, 405, "Allow: POST", "not a POST");
  else
    refuse(c, 415, "Accept: application/x-protobuf",
           "Content-Type is not application/x-protobuf");
}

void conn_request(conn *c) {
  c->asked = true;
  // Commands done inside an event must not answer the request, and so free
  // it, while it is being read.
  c->processing = true;
  request(c);
  c->processing = false;
}
