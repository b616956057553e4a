/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "transport/http_internal.h"
#include "transport/tls_internal.h"

/* How curl gets to a server, for requests and for WebSockets through a proxy:
 * sockets, proxy, TLS; and in what words it is told when it did not. */

enum { NO_TIMEOUT_MS = 0x7fffffff /* 24 days: the deadline is the core's */ };

/* --- setting up ----------------------------------------------------------- */

bool opamp__curl_add_header(struct curl_slist **list, const char *name,
                            const char *value) {
  opamp__buf b = {0};
  /* "Name;" is how curl sends a header without value. */
  bool ok = value[0] == '\0' ? opamp__buf_printf(&b, "%s;", name)
                             : opamp__buf_printf(&b, "%s: %s", name, value);
  ok = ok && opamp__buf_byte(&b, 0);
  struct curl_slist *l =
      ok ? curl_slist_append(*list, (const char *)b.ptr) : NULL;
  opamp__buf_wipe_free(&b);
  if (l == NULL) return false;
  *list = l;
  return true;
}

void opamp__curl_free_headers(struct curl_slist *list) {
  for (struct curl_slist *h = list; h != NULL; h = h->next)
    opamp__wipe(h->data, strlen(h->data));
  curl_slist_free_all(list);
}

static CURLcode set_tls(CURL *easy, void *ssl_ctx, void *ctx) {
  (void)easy;
  return opamp__tls_apply((SSL_CTX *)ssl_ctx, (const opamp__tls *)ctx)
             ? CURLE_OK
             : CURLE_SSL_CERTPROBLEM;
}

/* The server's and the proxy's. */
static void dial_with_tls(CURL *e, opamp__tls *tls) {
  bool insecure = opamp__tls_insecure(tls);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
  curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYPEER, insecure ? 0L : 1L);
  curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYHOST, insecure ? 0L : 2L);
  /* Without these curl would read the system's bundle for nothing. */
  curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, NULL);
  curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
  curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, set_tls);
  curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, tls);
}

static void dial_through(CURL *e, const http_pool *p) {
  static const long types[] = {CURLPROXY_HTTP, CURLPROXY_HTTPS,
                               CURLPROXY_SOCKS5, CURLPROXY_SOCKS5_HOSTNAME};
  const opamp__proxy *proxy = p->proxy;
  curl_easy_setopt(e, CURLOPT_PROXY, proxy->address);
  curl_easy_setopt(e, CURLOPT_PROXYTYPE, types[proxy->kind]);
  curl_easy_setopt(e, CURLOPT_NOPROXY, "");
  curl_easy_setopt(e, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
  curl_easy_setopt(e, CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
  if (proxy->user != NULL) {
    curl_easy_setopt(e, CURLOPT_PROXYUSERNAME, proxy->user);
    curl_easy_setopt(e, CURLOPT_PROXYPASSWORD, proxy->password);
  }
  curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
  curl_easy_setopt(e, CURLOPT_PROXYHEADER, p->proxy_headers);
  /* What the proxy answers to CONNECT is not the server's. */
  curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void opamp__curl_dial(CURL *e, http_pool *p) {
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)NO_TIMEOUT_MS);
  curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, opamp__http_open_socket);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, p);
  curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, opamp__http_close_socket);
  curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, p);
  /* Nothing from the environment: it was asked when that was wanted. */
  if (p->proxy == NULL)
    curl_easy_setopt(e, CURLOPT_PROXY, "");
  else
    dial_through(e, p);
  if (p->tls != NULL) dial_with_tls(e, p->tls);
}

/* --- failures ------------------------------------------------------------- */

bool opamp__curl_is_tls(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ISSUER_ERROR:
      return true;
    default:
      return false;
  }
}

static const char *words(CURLcode code, const char *error) {
  return error[0] != '\0' ? error : curl_easy_strerror(code);
}

void opamp__curl_tls_text(CURL *e, CURLcode code, const char *error,
                          bool of_proxy, bool numeric, char *out, size_t size) {
  long result = 0;
  curl_easy_getinfo(
      e, of_proxy ? CURLINFO_PROXY_SSL_VERIFYRESULT : CURLINFO_SSL_VERIFYRESULT,
      &result);
  /* 1 is what it is before all was verified; the name is checked before that,
   * by curl itself, which has other words for it. */
  bool none = result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED;
  if (none && code == CURLE_PEER_FAILED_VERIFICATION)
    result =
        numeric ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH;
  else if (none) {
    snprintf(out, size, "%s", words(code, error));
    return;
  }
  opamp__tls_verify_text(result, out, size);
}

#define CREDENTIALS "(user and password are wrong or missing)"

static const char *socks_text(CURL *e, CURLcode code, const char *error) {
  long reason = CURLPX_OK;
  curl_easy_getinfo(e, CURLINFO_PROXY_ERROR, &reason);
  switch (reason) {
    case CURLPX_NO_AUTH:
    case CURLPX_USER_REJECTED:
      return "authentication failed " CREDENTIALS;
    case CURLPX_REPLY_NOT_ALLOWED:
      return "connection not allowed";
    case CURLPX_REPLY_CONNECTION_REFUSED:
      return "the server refused the connection";
    case CURLPX_REPLY_HOST_UNREACHABLE:
      return "the server is unreachable";
    case CURLPX_REPLY_NETWORK_UNREACHABLE:
      return "the server's network is unreachable";
    case CURLPX_REPLY_TTL_EXPIRED:
      return "the server does not answer";
    case CURLPX_REPLY_GENERAL_SERVER_FAILURE:
      return "general failure of the proxy";
    case CURLPX_BAD_VERSION:
      return "the answer is not SOCKS5";
    case CURLPX_CLOSED:
    case CURLPX_RECV_ADDRESS:
    case CURLPX_RECV_AUTH:
    case CURLPX_RECV_CONNECT:
    case CURLPX_RECV_REQACK:
      return "the proxy hung up";
    default:
      return words(code, error);
  }
}

opamp__ending *opamp__proxy_refused(const opamp__proxy *p, const char *what,
                                    long status) {
  /* tinyproxy says 401 to a wrong password, and 407 to none. */
  bool credentials = status == 407 || status == 401;
  return opamp__ending_new(OPAMP_ERR_TRANSPORT,
                           "proxy %s: refused %s with %ld%s", p->address, what,
                           status, credentials ? " " CREDENTIALS : "");
}

static opamp__ending *not_connected(const opamp__proxy *p, CURL *e,
                                    CURLcode code, const char *error) {
  long err = 0;
  curl_easy_getinfo(e, CURLINFO_OS_ERRNO, &err);
  if (err == 0)
    return opamp__ending_new(OPAMP_ERR_TRANSPORT, "proxy %s: %s", p->address,
                             words(code, error));
  return opamp__ending_new(OPAMP_ERR_TRANSPORT, "proxy %s: connect: %s",
                           p->address, strerror((int)err));
}

static opamp__ending *tls_failed(const opamp__proxy *p, CURL *e, CURLcode code,
                                 const char *error) {
  char text[200];
  opamp__addrs numeric;
  opamp__curl_tls_text(e, code, error, true,
                       opamp__addr_numeric(p->host, &numeric), text,
                       sizeof text);
  return opamp__ending_new(OPAMP_ERR_TLS, "proxy %s: %s", p->address, text);
}

bool opamp__proxy_failed(opamp__ending **out, const http_pool *pool, CURL *e,
                         CURLcode code, const char *error, bool connected) {
  const opamp__proxy *p = pool->proxy;
  long status = 0;
  if (p == NULL || code == CURLE_OUT_OF_MEMORY) return false;
  curl_easy_getinfo(e, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status != 0 && status / 100 != 2) {
    *out = opamp__proxy_refused(p, "CONNECT", status);
    return true;
  }
  if (code == CURLE_COULDNT_CONNECT) {
    *out = not_connected(p, e, code, error);
    return true;
  }
  if (code == CURLE_PROXY) {
    *out = opamp__ending_new(OPAMP_ERR_TRANSPORT, "proxy %s: SOCKS5: %s",
                             p->address, socks_text(e, code, error));
    return true;
  }
  /* Past the proxy, it is the server's failure. */
  if (connected || status != 0) return false;
  if (opamp__curl_is_tls(code)) {
    if (p->kind != OPAMP__PROXY_HTTPS) return false;
    *out = tls_failed(p, e, code, error);
    return true;
  }
  *out = opamp__ending_new(OPAMP_ERR_TRANSPORT, "proxy %s: %s", p->address,
                           words(code, error));
  return true;
}
