/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/stream.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_ROOM = 16 * 1024, LINGER_MS = 2000 };

struct stream {
  uv_tcp_t tcp;
  uv_timer_t linger;
  uv_shutdown_t shutdown;
  int handles; /* of libuv that are not closed yet */
  SSL *ssl;    /* NULL: plain */
  BIO *from_net, *to_net;
  stream_handler handler;
  void *user_data;
  bool paused;
  bool pumping;   /* inside tls_pump, which goes on by itself */
  bool finishing; /* our end of the stream is on its way */
  bool ended;     /* the other side's end arrived */
  bool closing;   /* handles are being closed */
  bool broken;    /* `error` says why */
  char error[160];
  char room[READ_ROOM];
};

typedef struct stream_send {
  uv_write_t req;
  stream *owner;
  uint8_t bytes[];
} stream_send;

static void handle_closed(uv_handle_t *h) {
  stream *s = h->data;
  if (--s->handles > 0) return;
  s->handler.on_closed(s->user_data, s->broken ? s->error : NULL);
  SSL_free(s->ssl);
  free(s);
}

static void close_now(stream *s) {
  if (s->closing) return;
  s->closing = true;
  if (!uv_is_closing((uv_handle_t *)&s->tcp))
    uv_close((uv_handle_t *)&s->tcp, handle_closed);
  uv_close((uv_handle_t *)&s->linger, handle_closed);
}

static void fail(stream *s, const char *error) {
  if (!s->closing && !s->broken) {
    s->broken = true;
    snprintf(s->error, sizeof s->error, "%s", error);
  }
  close_now(s);
}

/* --- sending -------------------------------------------------------------- */

static void written(uv_write_t *req, int status) {
  stream_send *w = (stream_send *)req;
  if (status < 0 && status != UV_ECANCELED) fail(w->owner, uv_strerror(status));
  free(w);
}

static void write_net(stream *s, const uint8_t *bytes, size_t n) {
  stream_send *w = malloc(sizeof *w + n);
  if (w == NULL) {
    fail(s, "out of memory");
    return;
  }
  w->owner = s;
  memcpy(w->bytes, bytes, n);
  uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)n);
  int rc = uv_write(&w->req, (uv_stream_t *)&s->tcp, &buf, 1, written);
  if (rc < 0) {
    free(w);
    fail(s, uv_strerror(rc));
  }
}

/* Sends what TLS has produced. */
static void tls_flush(stream *s) {
  uint8_t *bytes;
  long n = BIO_get_mem_data(s->to_net, &bytes);
  if (n <= 0 || s->closing) return;
  write_net(s, bytes, (size_t)n);
  (void)BIO_reset(s->to_net);
}

static void tls_fail(stream *s) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
  char text[128];
  snprintf(text, sizeof text, "TLS: %s",
           reason != NULL ? reason : "connection ended");
  ERR_clear_error();
  tls_flush(s);
  fail(s, text);
}

void stream_write(stream *s, opamp_bytes bytes) {
  if (s->closing || s->finishing || bytes.len == 0) return;
  if (s->ssl == NULL) {
    write_net(s, bytes.ptr, bytes.len);
    return;
  }
  size_t n;
  ERR_clear_error();
  if (SSL_write_ex(s->ssl, bytes.ptr, bytes.len, &n) != 1)
    tls_fail(s);
  else
    tls_flush(s);
}

static void shutdown_done(uv_shutdown_t *req, int status) {
  stream *s = req->data;
  if (s->closing) return;
  if (status < 0 || s->ended) close_now(s);
}

static void linger_over(uv_timer_t *t) {
  close_now(t->data);
}

void stream_finish(stream *s) {
  if (s->closing || s->finishing) return;
  if (s->ssl != NULL) {
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
    tls_flush(s);
  }
  s->finishing = true;
  s->shutdown.data = s;
  if (uv_shutdown(&s->shutdown, (uv_stream_t *)&s->tcp, shutdown_done) < 0) {
    close_now(s);
    return;
  }
  uv_timer_start(&s->linger, linger_over, LINGER_MS, 0);
  if (!s->ended) stream_pause(s, false);
}

void stream_reset(stream *s) {
  if (s->closing) return;
  // libuv refuses a reset after a shutdown; the plain close is then close
  // enough, the other side having seen the end already.
  if (uv_tcp_close_reset(&s->tcp, handle_closed) < 0) {
    close_now(s);
    return;
  }
  close_now(s);
}

/* --- receiving ------------------------------------------------------------ */

static void deliver(stream *s, const uint8_t *bytes, size_t n) {
  if (!s->finishing && !s->closing) s->handler.on_data(s->user_data, bytes, n);
}

/* The other side's end of the stream. */
static void ended(stream *s) {
  s->ended = true;
  if (s->finishing &&
      uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) == 0)
    close_now(s);
  else
    stream_finish(s);
}

static void tls_pump(stream *s) {
  uint8_t bytes[16 * 1024];
  bool more = true;
  if (s->pumping) return;
  s->pumping = true;
  while (more && !s->closing && !s->ended && !s->paused) {
    size_t n = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(s->ssl, bytes, sizeof bytes, &n);
    int why = SSL_get_error(s->ssl, rc);
    tls_flush(s);
    if (rc == 1) {
      deliver(s, bytes, n);
    } else if (why == SSL_ERROR_ZERO_RETURN) {
      ended(s);
    } else if (why == SSL_ERROR_WANT_READ) {
      more = false;
    } else {
      tls_fail(s);
    }
  }
  s->pumping = false;
}

const SSL *stream_tls(const stream *s) {
  return s->ssl;
}

static void give_room(uv_handle_t *h, size_t hint, uv_buf_t *buf) {
  stream *s = h->data;
  (void)hint;
  *buf = uv_buf_init(s->room, sizeof s->room);
}

static void got(uv_stream_t *h, ssize_t n, const uv_buf_t *buf) {
  stream *s = h->data;
  if (s->closing) return;
  if (n == UV_EOF) {
    uv_read_stop(h);
    ended(s);
  } else if (n < 0) {
    fail(s, uv_strerror((int)n));
  } else if (n > 0 && s->ssl != NULL) {
    if (BIO_write(s->from_net, buf->base, (int)n) != n)
      fail(s, "out of memory");
    else
      tls_pump(s);
  } else if (n > 0) {
    deliver(s, (const uint8_t *)buf->base, (size_t)n);
  }
}

void stream_pause(stream *s, bool paused) {
  s->paused = paused;
  if (s->closing || s->ended) return;
  if (paused) {
    uv_read_stop((uv_stream_t *)&s->tcp);
    return;
  }
  uv_read_start((uv_stream_t *)&s->tcp, give_room, got);
  if (s->ssl != NULL) tls_pump(s);
}

/* --- life ----------------------------------------------------------------- */

static bool tls_init(stream *s, SSL_CTX *tls) {
  s->from_net = BIO_new(BIO_s_mem());
  s->to_net = BIO_new(BIO_s_mem());
  s->ssl = SSL_new(tls);
  if (s->ssl == NULL || s->from_net == NULL || s->to_net == NULL) {
    BIO_free(s->from_net);
    BIO_free(s->to_net);
    return false;
  }
  SSL_set_bio(s->ssl, s->from_net, s->to_net);
  SSL_set_accept_state(s->ssl);
  return true;
}

stream *stream_accept(uv_stream_t *listener, SSL_CTX *tls,
                      const stream_handler *handler, void *user_data) {
  stream *s = calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  if (tls != NULL && !tls_init(s, tls)) {
    SSL_free(s->ssl);
    free(s);
    return NULL;
  }
  s->handler = *handler;
  s->user_data = user_data;
  s->handles = 2;
  s->tcp.data = s->linger.data = s;
  uv_tcp_init(listener->loop, &s->tcp);
  uv_timer_init(listener->loop, &s->linger);
  if (uv_accept(listener, (uv_stream_t *)&s->tcp) < 0)
    fail(s, "could not accept");
  uv_tcp_nodelay(&s->tcp, 1);
  stream_pause(s, false);
  return s;
}
