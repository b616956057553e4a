/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/transport.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "transport/internal.h"

/* --- tasks ---------------------------------------------------------------- */

void opamp__soon(opamp__transport *t, opamp__task *task) {
  if (task->queued) return;
  task->queued = true;
  task->next = NULL;
  if (t->first == NULL) opamp__timer_set(t->soon, 0);
  *t->last = task;
  t->last = &task->next;
}

void opamp__soon_cancel(opamp__transport *t, opamp__task *task) {
  if (!task->queued) return;
  opamp__task **at = &t->first;
  while (*at != task) at = &(*at)->next;
  *at = task->next;
  if (t->last == &task->next) t->last = at;
  task->queued = false;
}

/* One round: what a task queues waits for the next, so that a server that
 * refuses at once cannot keep the loop here for ever. */
static void run_tasks(void *ctx) {
  opamp__transport *t = (opamp__transport *)ctx;
  opamp__task mark = {0};
  opamp__soon(t, &mark);
  while (t->first != &mark) {
    opamp__task *task = t->first;
    opamp__soon_cancel(t, task);
    task->run(task->ctx);
  }
  opamp__soon_cancel(t, &mark);
  opamp__timer_set(t->soon, t->first == NULL ? -1 : 0);
}

/* --- life ----------------------------------------------------------------- */

opamp_status opamp__transport_new(opamp__transport **out, opamp__reactor *r,
                                  uint32_t max_connections) {
  opamp_status st = OPAMP_OK;
  opamp__transport *t = (opamp__transport *)opamp__calloc(1, sizeof *t);
  *out = NULL;
  if (t == NULL) return opamp__nomem();
  t->reactor = r;
  t->max_connections = max_connections;
  t->last = &t->first;
  t->soon = opamp__reactor_timer(r, run_tasks, t);
  if (t->soon == NULL) {
    st = opamp__nomem();
    goto done;
  }
  st = opamp__resolver_new(&t->resolver, r);

done:
  if (st != OPAMP_OK) {
    opamp__timer_free(t->soon);
    opamp__free(t);
    return st;
  }
  *out = t;
  return OPAMP_OK;
}

static bool shut_down(opamp__transport *t) {
  bool http = opamp__http_shutdown(t);
  bool ws = opamp__ws_shutdown(t);
  return http && ws;
}

void opamp__transport_shutdown(opamp__transport *t) {
  if (t->shutting_down) return;
  t->shutting_down = true;
  shut_down(t);
}

bool opamp__transport_idle(const opamp__transport *t) {
  return t->shutting_down && t->http == NULL && t->ws == NULL;
}

void opamp__transport_free(opamp__transport *t) {
  if (t == NULL) return;
  opamp__resolver_free(t->resolver);
  opamp__timer_free(t->soon);
  opamp__descriptors_free(&t->descriptors);
  opamp__free(t);
}

void opamp__transport_close_idle(opamp__transport *t) {
  opamp__ws_close_relays(t);
  (void)opamp__http_shutdown(t);
}

opamp_status opamp__transport_prepare(opamp__transport *t) {
  opamp_status http = opamp__http_prepare();
  opamp_status ws = opamp__ws_prepare(t);
  return ws != OPAMP_OK ? ws : http;
}

/* --- in a forked child ---------------------------------------------------- */

bool opamp__transport_adopt(opamp__transport *t) {
  return opamp__descriptors_replace(&t->descriptors);
}

bool opamp__transport_cut(opamp__transport *t) {
  opamp__resolver_orphan(t->resolver);
  return opamp__transport_adopt(t);
}

void opamp__transport_close_descriptors(opamp__transport *t) {
  opamp__descriptors_close(&t->descriptors);
}

/* --- connections ---------------------------------------------------------- */

opamp_status opamp__conn_open(opamp__conn **out, opamp__transport *t,
                              const opamp__endpoint *ep,
                              const opamp__sink *sink, void *ctx) {
  *out = NULL;
  if (t->shutting_down)
    return opamp__fail(OPAMP_ERR_STATE, "the loop is being freed");
  opamp_status st = ep->url->websocket ? opamp__ws_open(out, t, ep)
                                       : opamp__http_open(out, t, ep);
  if (st != OPAMP_OK) return st;
  (*out)->t = t;
  (*out)->sink = sink;
  (*out)->ctx = ctx;
  return OPAMP_OK;
}

opamp_status opamp__conn_send(opamp__conn *c, uint8_t *frame, size_t len) {
  return c->ops->send(c, frame, len);
}

void opamp__conn_ping(opamp__conn *c) {
  c->ops->ping(c);
}

void opamp__conn_close(opamp__conn *c, int code) {
  c->ops->close(c, code);
}

void opamp__conn_abort(opamp__conn *c) {
  if (c != NULL) c->ops->abort(c);
}

/* --- endings -------------------------------------------------------------- */

opamp__ending *opamp__ending_new(opamp_status why, const char *fmt, ...) {
  opamp__ending *e = (opamp__ending *)opamp__calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  va_list args;
  va_start(args, fmt);
  vsnprintf(e->text, sizeof e->text, fmt, args);
  va_end(args);
  e->why = why;
  return e;
}

opamp__refusal *opamp__refusal_new(int http_status, const char *what) {
  opamp__refusal *r = (opamp__refusal *)opamp__calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  r->ending.why = OPAMP_ERR_HTTP;
  r->ending.http_status = http_status;
  snprintf(r->ending.text, sizeof r->ending.text, "%s %d", what, http_status);
  return r;
}

void opamp__printable(char *out, size_t size, const uint8_t *p, size_t n) {
  size_t len = 0;
  for (size_t i = 0; i < n && len + 1 < size; i++) {
    bool space = p[i] <= ' ' || p[i] >= 127;
    if (space && (len == 0 || out[len - 1] == ' ')) continue;
    out[len++] = space ? ' ' : (char)p[i];
  }
  while (len > 0 && out[len - 1] == ' ') len--;
  out[len] = '\0';
}

static opamp_str present(const char *s) {
  return s[0] == '\0' ? (opamp_str){NULL, 0} : opamp__str(s);
}

void opamp__end_tell(const opamp__sink *sink, void *ctx, opamp__ending *e) {
  if (e == NULL) {
    opamp__closed c = {.why = OPAMP_ERR_NOMEM,
                       .text = OPAMP__LIT("out of memory")};
    sink->closed(ctx, &c);
    return;
  }
  opamp__closed c = {.why = e->why,
                     .http_status = e->http_status,
                     .close_code = e->close_code,
                     .text = opamp__str(e->text)};
  if (e->http_status != 0) {
    const opamp__refusal *r = (const opamp__refusal *)e;
    c.location = present(r->location);
    c.retry_after = present(r->retry_after);
    c.body = present(r->body);
  }
  sink->closed(ctx, &c);
  opamp__free(e);
}

/* --- hashes, random bytes ------------------------------------------------- */

void opamp__sha256(opamp_bytes in, uint8_t out[32]) {
  static const uint8_t none = 0;
  if (EVP_Digest(in.len == 0 ? &none : in.ptr, in.len, out, NULL, EVP_sha256(),
                 NULL) != 1)
    memset(out, 0, 32);
}

/* Not by RAND_bytes, which sets up all of OpenSSL: who speaks no TLS would pay
 * for it in memory and time. */
bool opamp__random(void *out, size_t n) {
  return getentropy(out, n) == 0;
}
