/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/tls_internal.h"
#include "transport/ws_conn.h"
#include "transport/ws_relay.h"

enum {
  NEXT_ADDRESS_MS = 2000, /* for an address while others remain */
  SPARE_LINKS = 12,       /* places in libwebsockets' table for those that go */
  UNTOLD = 0              /* the error of a socket went when it was closed */
};

void opamp__ws_dial_free(ws_dial *d) {
  if (d == NULL) return;
  opamp__lookup_cancel(d->lookup);
  opamp__timer_free(d->timer);
  opamp__ws_relay_free(d->relay);
  opamp__url_free(&d->url);
  opamp__headers_free(&d->headers);
  opamp__free(d->instance_uid);
  opamp__free(d);
}

/* --- addresses ------------------------------------------------------------ */

static const char *reason(const ws_dial *d) {
  return d->error != UNTOLD ? strerror(d->error) : "it failed at once";
}

static void end_unconnected(ws_conn *c) {
  const ws_dial *d = c->dial;
  char address[OPAMP__ADDR_TEXT];
  opamp__addr_text(&d->current, address);
  bool v6 = d->current.any.sa_family == AF_INET6;
  opamp__ws_end(c, opamp__ending_new(
                       OPAMP_ERR_TRANSPORT,
                       v6 ? "connect to [%s]:%u: %s" : "connect to %s:%u: %s",
                       address, (unsigned)d->url.port, reason(d)));
}

static void too_slow(void *ctx) {
  ws_conn *c = (ws_conn *)ctx;
  ws_link *l = c->link;
  if (l == NULL) return;
  opamp__ws_part(l);
  opamp__ws_kill(l);
  c->dial->error = ETIMEDOUT;
  opamp__ws_dial_next(c);
}

void opamp__ws_link_free(ws_link *l) {
  ws_link **at = &l->w->links;
  while (*at != l) at = &(*at)->next;
  *at = l->next;
  l->w->link_count--;
  opamp__soon_cancel(l->w->t, &l->kill);
  opamp__ws_relay_release(l->relay);
  opamp__descriptor_free(&l->w->t->descriptors, l->descriptor);
  opamp__ws_vhost_put(l->w, l->vhost);
  opamp__timer_free(l->linger);
  opamp__free(l->copy);
  opamp__free(l);
}

static ws_link *link_new(ws_conn *c) {
  opamp__ws *w = c->w;
  const ws_dial *d = c->dial;
  if (w->link_count >= c->base.t->max_connections + SPARE_LINKS) {
    c->dial->error = EMFILE;
    return NULL;
  }
  ws_link *l = (ws_link *)opamp__calloc(1, sizeof *l);
  const opamp__endpoint ep = {
      .url = &d->url, .tls = c->tls, .compress = c->compress};
  c->dial->error = ENOMEM;
  if (l == NULL) return NULL;
  l->descriptor = opamp__descriptor_new(&w->t->descriptors);
  if (l->descriptor != NULL) l->vhost = opamp__ws_vhost_get(w, &ep);
  if (l->vhost == NULL) {
    opamp__descriptor_free(&w->t->descriptors, l->descriptor);
    opamp__free(l);
    return NULL;
  }
  l->w = w;
  l->conn = c;
  l->next = w->links;
  w->links = l;
  w->link_count++;
  c->link = l;
  return l;
}

/* Lets libwebsockets connect the link to an address; when it cannot, the link
 * is on its way out, or gone. */
static bool connect_link(ws_conn *c, ws_link *l, const char *address) {
  static const lws_retry_bo_t no_validity = {0};
  ws_dial *d = c->dial;
  char host[300];
  if (!opamp__url_authority(&d->url, host, sizeof host)) host[0] = '\0';
  struct lws_client_connect_info info = {
      .context = c->w->context,
      .vhost = l->vhost->lws,
      .address = address,
      .port = d->url.port,
      .path = d->url.target,
      .host = host,
      .local_protocol_name = "opamp",
      .ietf_version_or_minus_one = -1,
      .userdata = l,
      .alpn = "http/1.1",
      .retry_and_idle_policy = &no_validity,
      .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
      .pwsi = &l->wsi};
  if (d->url.tls) {
    /* The host is checked by our own context (tls_openssl.c). */
    info.ssl_connection |=
        LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    /* OpenSSL writes with write(); libwebsockets otherwise, and curl always,
     * with MSG_NOSIGNAL. */
    opamp__reactor_no_sigpipe(c->w->t->reactor);
  }
  l->connecting = true;
  errno = 0;
  struct lws *wsi = lws_client_connect_via_info(&info);
  d->error = l->gone ? UNTOLD : errno != 0 ? errno : ENOMEM;
  l->connecting = false;
  if (!l->gone && l->wsi != NULL)
    opamp__descriptor_set(l->descriptor, lws_get_socket_fd(l->wsi));
  if (wsi != NULL && !l->gone) return true;
  opamp__ws_part(l);
  /* Past the TCP connection libwebsockets closes it in its own time, and says
   * so later. */
  if (l->tcp && !l->gone) return false;
  opamp__ws_link_free(l);
  return false;
}

static bool try_address(ws_conn *c) {
  ws_dial *d = c->dial;
  char address[OPAMP__ADDR_TEXT];
  d->error = opamp__addr_unreachable(&d->current, d->url.port);
  if (d->error != 0) return false;
  ws_link *l = link_new(c);
  if (l == NULL) return false;
  opamp__addr_text(&d->current, address);
  return connect_link(c, l, address);
}

void opamp__ws_dial_relayed(ws_conn *c) {
  ws_dial *d = c->dial;
  ws_relay *r = d->relay;
  char address[OPAMP__RELAY_ADDRESS];
  ws_link *l = link_new(c);
  bool ok = false;
  if (l != NULL) {
    opamp__ws_relay_join(r, l);
    d->relay = NULL;
    if (opamp__ws_relay_listen(r, address)) {
      ok = connect_link(c, l, address);
    } else {
      d->error = errno;
      opamp__ws_part(l);
      opamp__ws_link_free(l);
    }
  }
  if (ok)
    opamp__ws_kick(c->w);
  else
    opamp__ws_end(c, opamp__ending_new(OPAMP_ERR_TRANSPORT,
                                       "relay to the proxy: %s", reason(d)));
}

void opamp__ws_dial_next(ws_conn *c) {
  ws_dial *d = c->dial;
  bool tried = false;
  while (!tried && d->next < d->addrs.len) {
    d->current = d->addrs.list[d->next++];
    tried = try_address(c);
  }
  if (!tried) {
    end_unconnected(c);
    return;
  }
  opamp__ws_kick(c->w);
  bool more = d->next < d->addrs.len;
  if (more && d->timer == NULL)
    d->timer = opamp__reactor_timer(c->base.t->reactor, too_slow, c);
  if (d->timer != NULL) opamp__timer_set(d->timer, more ? NEXT_ADDRESS_MS : -1);
}

static void resolved(void *ctx, const opamp__addrs *found, const char *error) {
  ws_conn *c = (ws_conn *)ctx;
  c->dial->lookup = NULL;
  if (found == NULL) {
    opamp__ws_end(c, opamp__ending_new(OPAMP_ERR_RESOLVE, "%s", error));
    return;
  }
  c->dial->addrs = *found;
  opamp__ws_dial_next(c);
}

opamp_status opamp__ws_dial_start(ws_conn *c, const opamp__endpoint *ep) {
  ws_dial *d = c->dial;
  if (ep->proxy != NULL) return opamp__ws_relay_new(&d->relay, c, ep);
  opamp__resolver *r = c->base.t->resolver;
  if (opamp__addr_numeric(d->url.host, &d->addrs) ||
      (!c->numeric_hosts && opamp__resolver_fresh(r, d->url.host, &d->addrs))) {
    c->dial_next = true;
    opamp__soon(c->base.t, &c->task);
    return OPAMP_OK;
  }
  if (c->numeric_hosts) {
    opamp__ws_end(c,
                  opamp__ending_new(OPAMP_ERR_RESOLVE,
                                    "%s is a name, and names are not resolved",
                                    d->url.host));
    return OPAMP_OK;
  }
  d->lookup = opamp__resolve(r, d->url.host, resolved, c);
  return d->lookup != NULL ? OPAMP_OK : opamp__nomem();
}

/* --- callbacks ------------------------------------------------------------ */

void opamp__ws_tcp_connected(ws_link *l) {
  l->tcp = true;
  if (l->conn == NULL || l->conn->dial == NULL) return;
  ws_dial *d = l->conn->dial;
  if (d->timer != NULL) opamp__timer_set(d->timer, -1);
  if (l->relay == NULL)
    opamp__resolver_worked(l->w->t->resolver, d->url.host, &d->current);
}

static bool append_header(struct lws *wsi, const char *name, const char *value,
                          unsigned char **p, unsigned char *end) {
  char with_colon[256];
  int n = snprintf(with_colon, sizeof with_colon, "%s:", name);
  return n < (int)sizeof with_colon &&
         lws_add_http_header_by_name(wsi, (const unsigned char *)with_colon,
                                     (const unsigned char *)value,
                                     (int)strlen(value), p, end) == 0;
}

int opamp__ws_append_headers(ws_link *l, struct lws *wsi, void *in,
                             size_t len) {
  ws_conn *c = l->conn;
  unsigned char **p = (unsigned char **)in, *end = *p + len;
  if (c == NULL || c->dial == NULL) return -1;
  const ws_dial *d = c->dial;
  bool ok = d->instance_uid == NULL ||
            append_header(wsi, "OpAMP-Instance-UID", d->instance_uid, p, end);
  for (size_t i = 0; ok && i < d->headers.len; i++)
    ok = append_header(wsi, d->headers.list[i].name, d->headers.list[i].value,
                       p, end);
  if (!ok && c->ending == NULL)
    c->ending = opamp__ending_new(OPAMP_ERR_LIMIT,
                                  "the headers of the upgrade are too long");
  return ok ? 0 : -1;
}

static void copy_header(struct lws *wsi, enum lws_token_indexes token,
                        char *out, size_t size) {
  if (lws_hdr_copy(wsi, out, (int)size, token) <= 0) out[0] = '\0';
}

/* Called with the status line and headers of the answer. */
void opamp__ws_answered(ws_link *l, struct lws *wsi) {
  ws_conn *c = l->conn;
  unsigned status = lws_http_client_http_response(wsi);
  if (c == NULL || c->ending != NULL || status == 101) return;
  if (!opamp__http_status((long)status)) return; /* no answer at all */
  opamp__refusal *r = opamp__refusal_new(
      (int)status, "the upgrade was answered with HTTP status");
  if (r == NULL) return;
  copy_header(wsi, WSI_TOKEN_HTTP_RETRY_AFTER, r->retry_after,
              sizeof r->retry_after);
  copy_header(wsi, WSI_TOKEN_HTTP_LOCATION, r->location, sizeof r->location);
  c->ending = &r->ending;
}

/* What of the body libwebsockets has not taken with the headers. */
static void read_body(struct lws *wsi, opamp__refusal *r) {
  uint8_t raw[4 * OPAMP__BODY_SHOWN];
  SSL *ssl = lws_get_ssl(wsi);
  ssize_t n = ssl != NULL
                  ? SSL_read(ssl, raw, sizeof raw)
                  : recv(lws_get_socket_fd(wsi), raw, sizeof raw, MSG_DONTWAIT);
  if (n > 0) opamp__printable(r->body, sizeof r->body, raw, (size_t)n);
  ERR_clear_error();
}

/* A failure in or under TLS; false when it is none. */
static bool tls_failed(struct lws *wsi, char *text, size_t size) {
  SSL *ssl = lws_get_ssl(wsi);
  if (ssl == NULL) return false;
  long result = SSL_get_verify_result(ssl);
  if (result != X509_V_OK) {
    opamp__tls_verify_text(result, text, size);
    return true;
  }
  bool queued = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_SSL;
  if (!queued && SSL_is_init_finished(ssl)) return false;
  opamp__tls_error_text(text, size, ssl,
                        "the server broke off the TLS handshake");
  return true;
}

static opamp__ending *explain(ws_link *l, struct lws *wsi, const char *why) {
  char text[256];
  if (l->vhost->tls != NULL && tls_failed(wsi, text, sizeof text))
    return opamp__ending_new(OPAMP_ERR_TLS, "%s", text);
  if (lws_http_client_http_response(wsi) == 101)
    return opamp__ending_new(OPAMP_ERR_TRANSPORT,
                             "bad answer to the upgrade: %s", why);
  int err = opamp__ws_link_error(l, wsi);
  return opamp__ending_new(OPAMP_ERR_TRANSPORT, "no answer to the upgrade: %s",
                           err != 0 ? strerror(err) : why);
}

void opamp__ws_attempt_failed(ws_link *l, struct lws *wsi, const char *text,
                              size_t len) {
  char why[128];
  snprintf(why, sizeof why, "%.*s", text == NULL ? 0 : (int)len,
           text == NULL ? "" : text);
  ws_conn *c = l->conn;
  l->socketless = lws_get_socket_fd(wsi) < 0;
  if (c == NULL) return;
  if (l->tcp) {
    if (c->ending == NULL)
      c->ending = explain(l, wsi, why);
    else if (c->ending->http_status != 0)
      read_body(wsi, (opamp__refusal *)c->ending);
    opamp__ws_part(l);
    opamp__ws_end(c, NULL);
    return;
  }
  int err = opamp__ws_link_error(l, wsi);
  c->dial->error = l->socketless ? UNTOLD : err != 0 ? err : ECONNREFUSED;
  opamp__ws_part(l);
  c->dial_next = true;
  opamp__soon(c->base.t, &c->task);
}
