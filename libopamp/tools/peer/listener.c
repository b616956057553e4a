/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 512, HOST_ROOM = 256 };

static bool fail(char *err, size_t errlen, const char *what, const char *why) {
  snprintf(err, errlen, "%s: %s", what, why);
  return false;
}

/* The port, and in `host`, which has HOST_ROOM bytes, the host without
 * brackets; NULL when it is no HOST:PORT. */
static const char *split(const char *host_port, char *host) {
  const char *colon = strrchr(host_port, ':');
  const char *from = host_port;
  size_t n = colon != NULL ? (size_t)(colon - host_port) : 0;
  if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
    from++;
    n -= 2;
  } else if (n > 0 && memchr(from, ':', n) != NULL) {
    n = 0;
  }
  if (n == 0 || n >= HOST_ROOM) return NULL;
  size_t digits = strspn(colon + 1, "0123456789");
  if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
      strtoul(colon + 1, NULL, 10) > 65535)
    return NULL;
  memcpy(host, from, n);
  host[n] = '\0';
  return colon + 1;
}

bool listener_is_address(const char *host_port) {
  char host[HOST_ROOM];
  return split(host_port, host) != NULL;
}

static bool resolve(listener *l, const char *host_port, char *err,
                    size_t errlen) {
  char host[HOST_ROOM];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  struct addrinfo *found = NULL;
  const char *port = split(host_port, host);
  if (port == NULL) return fail(err, errlen, host_port, "not HOST:PORT");
  int rc = getaddrinfo(host, port, &hints, &found);
  if (rc != 0) return fail(err, errlen, host_port, gai_strerror(rc));
  memcpy(&l->address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return true;
}

static void freed(uv_handle_t *h) {
  free(h);
}

static void drop(listener *l) {
  if (l->tcp != NULL) uv_close((uv_handle_t *)l->tcp, freed);
  l->tcp = NULL;
  l->accepting = false;
}

/* A socket bound to the address but not listening: it holds the port, and the
 * kernel refuses connections to it. */
static int bind_to(listener *l) {
  l->tcp = calloc(1, sizeof *l->tcp);
  if (l->tcp == NULL) return UV_ENOMEM;
  uv_tcp_init(l->loop, l->tcp);
  l->tcp->data = l;
  return uv_tcp_bind(l->tcp, (const struct sockaddr *)&l->address, 0);
}

static void connection(uv_stream_t *from, int status) {
  listener *l = from->data;
  if (status == 0) l->on_connection(l->user_data, from);
}

bool listener_accept(listener *l, bool on, char *err, size_t errlen) {
  if (on == l->accepting) return true;
  if (!on) drop(l);
  int rc = l->tcp == NULL ? bind_to(l) : 0;
  if (rc == 0 && on) rc = uv_listen((uv_stream_t *)l->tcp, BACKLOG, connection);
  if (rc < 0) {
    drop(l);
    return fail(err, errlen, "listen", uv_strerror(rc));
  }
  l->accepting = on;
  return true;
}

bool listener_open(listener *l, const char *host_port, char *err,
                   size_t errlen) {
  if (!resolve(l, host_port, err, errlen)) return false;
  int rc = bind_to(l);
  // libuv reports "address in use" late, with uv_listen.
  if (rc == 0) rc = uv_listen((uv_stream_t *)l->tcp, BACKLOG, connection);
  int len = sizeof l->address;
  if (rc == 0)
    rc = uv_tcp_getsockname(l->tcp, (struct sockaddr *)&l->address, &len);
  if (rc < 0) {
    drop(l);
    return fail(err, errlen, host_port, uv_strerror(rc));
  }
  l->accepting = true;
  return true;
}

void listener_address(const listener *l, char out[LISTENER_ADDRESS]) {
  char host[INET6_ADDRSTRLEN] = "";
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&l->address;
  const struct sockaddr_in *four = (const struct sockaddr_in *)&l->address;
  if (l->address.ss_family == AF_INET6) {
    uv_ip6_name(six, host, sizeof host);
    snprintf(out, LISTENER_ADDRESS, "[%s]:%d", host, ntohs(six->sin6_port));
  } else {
    uv_ip4_name(four, host, sizeof host);
    snprintf(out, LISTENER_ADDRESS, "%s:%d", host, ntohs(four->sin_port));
  }
}

void listener_close(listener *l) {
  drop(l);
}

/* --- TLS ------------------------------------------------------------------ */

/* Never asks a terminal for a passphrase, but notes that one was needed. */
static int no_passphrase(char *buf, int size, int rwflag, void *user_data) {
  bool *needed = user_data; /* used only while files are read */
  (void)buf, (void)size, (void)rwflag;
  *needed = true;
  return 0;
}

/* What is wrong with a file, unless `why` says it: what OpenSSL found first;
 * what follows from it says less, "PEM lib". */
static bool fail_tls(char *err, size_t errlen, const char *file,
                     const char *why) {
  unsigned long code = ERR_peek_error();
  if (why == NULL && ERR_SYSTEM_ERROR(code))
    why = strerror(ERR_GET_REASON(code));
  if (why == NULL && ERR_GET_LIB(code) == ERR_LIB_PEM &&
      ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
    why = "no certificate";
  if (why == NULL) why = ERR_reason_error_string(code);
  fail(err, errlen, file, why != NULL ? why : "cannot be used");
  ERR_clear_error();
  return false;
}

static bool use_pair(SSL_CTX *ctx, const char *cert, const char *key, char *err,
                     size_t errlen) {
  bool needed = false;
  SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, &needed);
  if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
    return fail_tls(err, errlen, cert, NULL);
  bool ok = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1;
  // A key of another kind is taken, and belongs to no certificate.
  if (ok && SSL_CTX_check_private_key(ctx) == 1) return true;
  int lib = ERR_GET_LIB(ERR_peek_error());
  return fail_tls(err, errlen, key,
                  needed                      ? "its key needs a passphrase"
                  : ok || lib == ERR_LIB_X509 ? "the key of another certificate"
                  : lib == ERR_LIB_OSSL_DECODER ? "no private key"
                                                : NULL);
}

SSL_CTX *listener_tls(const char *cert, const char *key, char *err,
                      size_t errlen) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  if (ctx == NULL) {
    fail_tls(err, errlen, cert, NULL);
  } else if (!use_pair(ctx, cert, key, err, errlen)) {
    SSL_CTX_free(ctx);
    ctx = NULL;
  }
  return ctx;
}

bool listener_client_ca(SSL_CTX *ctx, const char *file, bool optional,
                        char *err, size_t errlen) {
  int must = optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
  if (names == NULL || SSL_CTX_load_verify_locations(ctx, file, NULL) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return fail_tls(err, errlen, file, NULL);
  }
  SSL_CTX_set_client_CA_list(ctx, names);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | must, NULL);
  return true;
}
