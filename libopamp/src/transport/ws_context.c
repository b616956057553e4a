/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/libraries.h"
#include "transport/tls_internal.h"
#include "transport/ws_conn.h"

enum {
  NO_TIMEOUT_S = 7 * 24 * 3600, /* the deadlines are the core's */
  HEADER_MAX = 16384,           /* of the answer to the upgrade */
  SMALL_LOOP = 1024,
  TABLE_MAX = 65536,
  /* Handles of libwebsockets close one after another, each in a round of the
   * loop: the event pipe, then what is left. With two to spare. */
  CLOSING_ROUNDS = 4
};

/* Nothing of it goes to stderr, nor anywhere: libwebsockets formats its lines
 * in one static buffer for all threads. What failed is in the callbacks. */
static void no_log(int level, const char *line) {
  (void)level, (void)line;
}

static const struct lws_protocols protocols[] = {
    {.name = "opamp",
     .callback = opamp__ws_callback,
     /* Each connection keeps a buffer of this size. Four times as much would
      * take a fifth off the time of a message of 64 MiB. */
     .rx_buffer_size = 256,
     .tx_packet_size = OPAMP__WS_CHUNK},
    {0}};

/* libwebsockets has room for one extension, and writes a second one past it. So
 * with several in the answer none is made, and the connection ends when it is
 * open. */
static bool one_extension(struct lws *wsi) {
  char answer[256];
  return lws_hdr_copy(wsi, answer, sizeof answer, WSI_TOKEN_EXTENSIONS) > 0 &&
         strpbrk(answer, ",\t") == NULL;
}

static int construct(ws_link *l, struct lws_context *context,
                     const struct lws_extension *ext, struct lws *wsi,
                     void *user, void *in, size_t len) {
  l->bad_extensions = !one_extension(wsi);
  if (l->bad_extensions) return -1;
  int n = lws_extension_callback_pm_deflate(
      context, ext, wsi, LWS_EXT_CB_CLIENT_CONSTRUCT, user, in, len);
  if (n == 0) l->deflate = *(void **)user;
  return n;
}

/* Compresses what is sent. What is received goes past it (ws_inflate.c). */
static int deflate_callback(struct lws_context *context,
                            const struct lws_extension *ext, struct lws *wsi,
                            enum lws_extension_callback_reasons reason,
                            void *user, void *in, size_t len) {
  enum { SERVER_NO_CONTEXT_TAKEOVER = 0 /* in its list of parameters */ };
  ws_link *l = (ws_link *)lws_wsi_user(wsi);
  const struct lws_ext_option_arg *option;
  switch (reason) {
    case LWS_EXT_CB_PAYLOAD_RX:
      return 0;
    case LWS_EXT_CB_CLIENT_CONSTRUCT:
      return construct(l, context, ext, wsi, user, in, len);
    case LWS_EXT_CB_OPTION_SET:
      option = (const struct lws_ext_option_arg *)in;
      if (option->option_index == SERVER_NO_CONTEXT_TAKEOVER)
        l->fresh_windows = true;
      break;
    case LWS_EXT_CB_DESTROY:
      if (l->deflate == user) l->deflate = NULL;
      break;
    default:
      break;
  }
  return lws_extension_callback_pm_deflate(context, ext, wsi, reason, user, in,
                                           len);
}

static const struct lws_extension extensions[] = {
    {"permessage-deflate", deflate_callback,
     "permessage-deflate; client_no_context_takeover"
     "; server_no_context_takeover; client_max_window_bits"},
    {NULL, NULL, NULL}};

/* libwebsockets forgets the one it has made for an answer whose parameters it
 * then cannot read. */
void opamp__ws_free_deflate(ws_link *l) {
  if (l->deflate != NULL)
    (void)lws_extension_callback_pm_deflate(l->w->context, extensions, l->wsi,
                                            LWS_EXT_CB_DESTROY, l->deflate,
                                            NULL, 0);
  l->deflate = NULL;
}

/* --- the context ---------------------------------------------------------- */

/* libwebsockets makes one descriptor table for ever: a small one it searches,
 * a big one it indexes with the descriptor, so that this must cover whatever
 * number the process may get to. */
static unsigned table_size(uint32_t max_connections) {
  if (max_connections <= SMALL_LOOP) return max_connections + 16;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > TABLE_MAX)
    return TABLE_MAX;
  return (unsigned)limit.rlim_cur;
}

/* lws_create_context ignores SIGPIPE for the process; that is put back. With
 * the libraries locked. */
static struct lws_context *make_context(
    const struct lws_context_creation_info *info) {
  static bool silenced;
  struct sigaction old;
  sigaction(SIGPIPE, NULL, &old);
  if (!silenced) lws_set_log_level(0, no_log);
  silenced = true;
  struct lws_context *c = lws_create_context(info);
  sigaction(SIGPIPE, &old, NULL);
  return c;
}

/* OpenSSL is set up for libwebsockets by a context, and for all of the process:
 * each that does it takes an index of OpenSSL's that is never given back, and
 * that all contexts use from then on. So one does, when TLS is first wanted;
 * without TLS that spares a third of an agent's memory. */
static bool tls_begun(void) {
  static struct lws_context *one;
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN,
      .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                 LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
      .fd_limit_per_thread = 4};
  opamp__libraries_lock();
  bool begun = one != NULL;
  if (!begun) {
    one = make_context(&info);
    begun = one != NULL;
    /* From 4.5 on OpenSSL would go with it. */
    if (begun && LWS_LIBRARY_VERSION_NUMBER < 4005000) lws_context_destroy(one);
  }
  opamp__libraries_unlock();
  return begun;
}

static opamp_status no_context(void) {
  void *plugin = dlopen("libwebsockets-evlib_uv.so", RTLD_LAZY | RTLD_LOCAL);
  if (plugin == NULL)
    return opamp__fail(OPAMP_ERR_UNSUPPORTED,
                       "libwebsockets has no libuv plugin (on Debian: apt-get "
                       "install libwebsockets-evlib-uv)");
  dlclose(plugin);
  return opamp__fail(OPAMP_ERR_NOMEM, "libwebsockets made no context");
}

/* libwebsockets opens a source of random bytes, and does not tell: it gets the
 * lowest free descriptor. Where it cannot, it crashes (4.1.6). */
static opamp_status try_random(int *lowest) {
  *lowest = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (*lowest < 0)
    return opamp__fail(OPAMP_ERR_UNSUPPORTED,
                       "libwebsockets needs /dev/urandom: %s", strerror(errno));
  close(*lowest);
  return OPAMP_OK;
}

static bool is_random(int fd) {
  struct stat ours, there;
  return opamp__descriptor_stat(fd, &ours) && S_ISCHR(ours.st_mode) &&
         stat("/dev/urandom", &there) == 0 && ours.st_rdev == there.st_rdev;
}

/* What libwebsockets was not let finish is no leak: it can be found. */
static void keep_for_ever(opamp__ws *w) {
  static opamp__ws *left;
  opamp__libraries_lock();
  w->next_left = left;
  left = w;
  opamp__libraries_unlock();
}

static void ws_free(opamp__ws *w) {
  opamp__descriptor_free(&w->t->descriptors, w->event_pipe);
  opamp__descriptor_free(&w->t->descriptors, w->random);
  if (w->left != NULL)
    keep_for_ever(w);
  else
    opamp__free(w);
}

static void clean_up(void *ctx);

static opamp__ws *ws_new(opamp__transport *t) {
  opamp__ws *w = (opamp__ws *)opamp__calloc(1, sizeof *w);
  if (w == NULL) return NULL;
  w->t = t;
  w->task.run = clean_up;
  w->task.ctx = w;
  w->event_pipe = opamp__descriptor_new(&t->descriptors);
  w->random = opamp__descriptor_new(&t->descriptors);
  if (w->event_pipe != NULL && w->random != NULL) return w;
  ws_free(w);
  return NULL;
}

/* With the libraries locked until its descriptors are known. */
static opamp_status context_new(opamp__ws *w,
                                const struct lws_context_creation_info *info) {
  int lowest;
  opamp__libraries_lock();
  opamp_status st = try_random(&lowest);
  struct lws_context *c = st == OPAMP_OK ? make_context(info) : NULL;
  if (c != NULL && is_random(lowest)) opamp__descriptor_set(w->random, lowest);
  opamp__libraries_unlock();
  w->context = c;
  if (c == NULL) return st == OPAMP_OK ? no_context() : st;
  opamp__descriptor_set(w->event_pipe,
                        opamp__reactor_foreign_fd(w->t->reactor));
  return OPAMP_OK;
}

opamp_status opamp__ws_get(opamp__ws **out, opamp__transport *t) {
  *out = t->ws;
  if (t->ws != NULL) return OPAMP_OK;
  opamp__ws *w = ws_new(t);
  if (w == NULL) return opamp__nomem();
  void *loop = opamp__reactor_uv_loop(t->reactor);
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN,
      .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
      .foreign_loops = &loop,
      .pcontext = &w->context,
      .fd_limit_per_thread = table_size(t->max_connections),
      .pt_serv_buf_size = OPAMP__WS_CHUNK,
      .max_http_header_data = HEADER_MAX,
      .timeout_secs = NO_TIMEOUT_S};
  opamp_status st = context_new(w, &info);
  if (st != OPAMP_OK) {
    ws_free(w);
    return st;
  }
  t->ws = w;
  *out = w;
  return OPAMP_OK;
}

opamp_status opamp__ws_prepare(opamp__transport *t) {
  opamp__ws *w;
  opamp_status st = opamp__ws_get(&w, t);
  if (st != OPAMP_OK || tls_begun()) return st;
  return opamp__fail(OPAMP_ERR_NOMEM, "libwebsockets made no context");
}

void opamp__ws_kick(opamp__ws *w) {
  lws_cancel_service(w->context);
}

/* --- vhosts --------------------------------------------------------------- */

static void vhost_free(ws_vhost *v) {
  if (v->lws != NULL) lws_vhost_destroy(v->lws);
  SSL_CTX_free(v->ssl);
  opamp__tls_unref(v->tls);
  opamp__free(v->host);
  opamp__free(v);
}

static bool vhost_set_up(opamp__ws *w, ws_vhost *v) {
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN,
      .protocols = protocols,
      .extensions = v->compress ? extensions : NULL,
      /* Else it would follow http_proxy from the environment. */
      .http_proxy_address = "",
      .vhost_name = "opamp",
      .connect_timeout_secs = NO_TIMEOUT_S,
      .timeout_secs = NO_TIMEOUT_S,
      .ka_time = 60,
      .ka_probes = 5,
      .ka_interval = 10};
  if (v->tls != NULL) {
    v->ssl = opamp__tls_context(v->tls, v->host);
    if (v->ssl == NULL || !tls_begun()) return false;
    info.provided_client_ssl_ctx = v->ssl;
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
  }
  v->lws = lws_create_vhost(w->context, &info);
  return v->lws != NULL;
}

static bool vhost_fits(const ws_vhost *v, const opamp__endpoint *ep) {
  if (v->tls != ep->tls || v->compress != ep->compress) return false;
  return v->tls == NULL || strcasecmp(v->host, ep->url->host) == 0;
}

ws_vhost *opamp__ws_vhost_get(opamp__ws *w, const opamp__endpoint *ep) {
  for (ws_vhost *v = w->vhosts; v != NULL; v = v->next) {
    if (!vhost_fits(v, ep)) continue;
    v->users++;
    return v;
  }
  ws_vhost *v = (ws_vhost *)opamp__calloc(1, sizeof *v);
  if (v == NULL) return NULL;
  v->compress = ep->compress;
  v->tls = ep->tls == NULL ? NULL : opamp__tls_ref(ep->tls);
  v->host = opamp__strndup(ep->url->host, strlen(ep->url->host));
  if (v->host == NULL || !vhost_set_up(w, v)) {
    vhost_free(v);
    return NULL;
  }
  v->users = 1;
  v->next = w->vhosts;
  w->vhosts = v;
  return v;
}

void opamp__ws_vhost_put(opamp__ws *w, ws_vhost *v) {
  if (--v->users == 0) opamp__soon(w->t, &w->task);
}

static void free_unused_vhosts(opamp__ws *w) {
  for (ws_vhost **at = &w->vhosts; *at != NULL;) {
    ws_vhost *v = *at;
    if (v->users > 0) {
      at = &v->next;
      continue;
    }
    *at = v->next;
    vhost_free(v);
  }
}

/* --- the end -------------------------------------------------------------- */

static bool holds_number(const opamp__ws *w) {
  struct stat guard, there;
  return opamp__descriptor_stat(w->guard, &guard) &&
         opamp__descriptor_stat(w->guarded, &there) &&
         guard.st_dev == there.st_dev && guard.st_ino == there.st_ino;
}

static bool take_number(opamp__ws *w) {
  int got = fcntl(w->guard, F_DUPFD_CLOEXEC, w->guarded); /* or the next free */
  if (got >= 0 && got != w->guarded) close(got);
  return got >= 0 && got == w->guarded;
}

static void close_again(void *ctx) {
  opamp__ws *w = (opamp__ws *)ctx;
  w->closing = false;
  if (holds_number(w) || take_number(w))
    opamp__reactor_foreign_close(w->t->reactor);
  else
    w->left = opamp__reactor_leave_foreign(w->t->reactor);
}

/* With libuv, libwebsockets closes the descriptor of its event pipe twice, a
 * round of the loop apart: the second time it may belong to another thread. So
 * something of ours gets the number in between. Should another thread have been
 * faster, and have it still, there is no second time: what would follow it is
 * left undone. (So it is when there was no descriptor for that something.) */
static void end_context(opamp__ws *w) {
  w->guarded = opamp__reactor_foreign_fd(w->t->reactor);
  w->guard = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  opamp__libraries_lock();
  lws_context_destroy(w->context);
  take_number(w);
  opamp__libraries_unlock();
  w->closing = opamp__reactor_on_foreign_close(w->t->reactor, close_again, w);
}

static void destroy_context(opamp__ws *w) {
  opamp__libraries_lock();
  lws_context_destroy(w->context);
  opamp__libraries_unlock();
}

static void release_number(opamp__ws *w) {
  /* A libwebsockets that closes once leaves it to us. */
  if (holds_number(w)) close(w->guarded);
  if (w->guard >= 0) close(w->guard);
}

/* The first destroy starts to close the handles, which libuv does in its own
 * time; another one, when that is done, frees the context and clears ours. */
static void clean_up(void *ctx) {
  opamp__ws *w = (opamp__ws *)ctx;
  opamp__transport *t = w->t;
  free_unused_vhosts(w);
  if (!t->shutting_down || w->vhosts != NULL) return;
  if (w->rounds == 0) {
    opamp__ws_close_relays(t);
    end_context(w);
  }
  if (w->rounds++ >= CLOSING_ROUNDS) destroy_context(w);
  if (w->closing || (w->context != NULL && w->left == NULL)) {
    opamp__soon(t, &w->task);
    return;
  }
  release_number(w);
  t->ws = NULL;
  ws_free(w);
}

bool opamp__ws_shutdown(opamp__transport *t) {
  if (t->ws == NULL) return true;
  opamp__ws_kill_links(t->ws);
  opamp__soon(t, &t->ws->task);
  return false;
}
