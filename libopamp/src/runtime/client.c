/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/client.h"

#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/tls_version.h"
#include "base/uuid.h"
#include "runtime/runtime.h"
#include "transport/keys.h"

opamp_status opamp__client_check(const opamp_client *c, const char *function) {
  opamp_status status = opamp__handle_check(c, OPAMP__HANDLE_CLIENT, function);
  if (status == OPAMP_OK && opamp__forked(c->loop)) return OPAMP_ERR_FORKED;
  return status;
}

/* --- references ----------------------------------------------------------- */

void opamp__client_ref(opamp_client *c) {
  atomic_fetch_add(&c->refs, 1);
}

void opamp__client_unref(opamp_client *c) {
  opamp_loop *l = c->loop;
  if (atomic_fetch_sub(&c->refs, 1) > 1) return;
  if (c->headers != NULL) opamp__headers_free(c->headers);
  opamp__free(c->headers);
  opamp__free(c->callbacks);
  opamp_msg_free(c->declared);
  if (c->url.text != NULL) opamp__url_free(&c->url);
  opamp__free(c->last_error);
  opamp__offered_free(c->offered);
  opamp__kept_free(c);
  opamp__buf_free(&c->config_hash);
  opamp__buf_free(&c->server_customs);
  opamp__snapshot_unref(c->options);
  opamp__handle_free(&c->handle, sizeof *c);
  if (l != NULL) opamp__loop_unref(l);
}

/* --- making one ----------------------------------------------------------- */

static opamp_status make_uid(uint8_t uid[OPAMP_UID_LEN]) {
  uint8_t random[10];
  struct timespec t;
  if (!opamp__random(random, sizeof random))
    return opamp__fail(OPAMP_ERR_IO, "instance uid: no random bytes");
  clock_gettime(CLOCK_REALTIME, &t);
  opamp__uuid7(uid, (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000,
               random);
  return OPAMP_OK;
}

static uint64_t next_random(void *client) {
  return opamp__random64(((opamp_client *)client)->loop);
}

static opamp_status usable(void *client, const opamp_msg *settings) {
  opamp__offered *o = NULL;
  opamp_status status =
      opamp__offered_new(&o, ((opamp_client *)client)->options, settings);
  opamp__offered_free(o);
  return status;
}

static int64_t renew_in(void *client, opamp_bytes pem, uint64_t percent) {
  (void)client;
  return opamp__certificate_left(pem, percent);
}

/* Where it will connect, for the getter: perhaps as it was offered. */
static opamp_status take_url(opamp_client *c) {
  const opamp__url *url = opamp__core_url(c->core);
  if (url == &c->options->url) return OPAMP_OK;
  return opamp__url_copy(&c->url, url);
}

static opamp_status make_core(opamp_client *c) {
  opamp__snapshot *s = c->options;
  const char *lowest = s->texts[OPAMP_TEXT_TLS_MIN_VERSION];
  opamp_status status = OPAMP_OK;
  c->config = (opamp__core_config){
      .numbers = s->numbers,
      .url = &s->url,
      .capabilities = s->capabilities,
      .own_uid = !s->has_uid,
      .store = opamp__snapshot_has_store(s),
      .tls_min = lowest == NULL ? 12 : opamp__tls_version(opamp__str(lowest)),
      .env = {next_random, opamp__sha256, usable, renew_in, c}};
  if (s->has_uid)
    memcpy(c->config.uid, s->uid, OPAMP_UID_LEN);
  else
    status = make_uid(c->config.uid);
  if (status == OPAMP_OK) status = opamp__core_new(&c->core, &c->config);
  if (status == OPAMP_OK) status = opamp__kept_open(c);
  if (status == OPAMP_OK) status = take_url(c);
  if (status == OPAMP_OK) c->view = *opamp__core_look(c->core);
  return status;
}

static opamp_status join_loop(opamp_client *c) {
  opamp_loop *l = c->loop;
  bool ok;
  opamp__lock(l);
  ok = opamp__heap_set(&l->deadlines, &c->deadline, OPAMP__DEADLINE_NONE);
  if (ok) {
    c->next = l->clients;
    if (c->next != NULL) c->next->prev = c;
    l->clients = c;
    l->used = true;
  }
  opamp__unlock(l);
  return ok ? OPAMP_OK : opamp__nomem();
}

static opamp_status set_up(opamp_client *c, opamp_loop *loop) {
  opamp_status status = opamp__snapshot_check(c->options);
  if (status != OPAMP_OK) return status;
  if (loop == NULL) {
    status = opamp_loop_new(&loop, 1);
    if (status != OPAMP_OK) return status;
    c->own_loop = true;
  }
  c->loop = loop;
  opamp__loop_ref(loop);
  c->capabilities = c->options->capabilities;
  c->made_at = opamp__now_ms();
  c->retry_at = UINT64_MAX;
  status = make_core(c);
  if (status == OPAMP_OK) status = join_loop(c);
  return status;
}

opamp_status opamp_client_new(opamp_client **out, opamp_loop *loop,
                              const opamp_options *o) {
  opamp_client *c;
  opamp_status status;
  *out = NULL;
  status = opamp__handle_check(o, OPAMP__HANDLE_OPTIONS, __func__);
  if (status == OPAMP_OK && loop != NULL)
    status = opamp__loop_check(loop, __func__);
  if (status != OPAMP_OK) return status;
  c = opamp__calloc(1, sizeof *c);
  if (c == NULL) return opamp__nomem();
  opamp__handle_begin(&c->handle, OPAMP__HANDLE_CLIENT);
  atomic_init(&c->refs, 1);
  c->options = opamp__snapshot_ref(o->snap);
  status = set_up(c, loop);
  if (status != OPAMP_OK) {
    opamp_loop *own = c->own_loop ? c->loop : NULL;
    opamp__core_free(c->core);
    opamp__client_unref(c);
    opamp_loop_free(own);
    return status;
  }
  *out = c;
  return OPAMP_OK;
}

/* --- the end -------------------------------------------------------------- */

void opamp_client_free(opamp_client *c) {
  opamp_loop *l;
  opamp_event *waiting;
  bool own_loop;
  if (c == NULL || opamp__client_check(c, __func__) != OPAMP_OK) return;
  l = c->loop;
  own_loop = c->own_loop;
  opamp__loop_ref(l);
  opamp__lock(l);
  opamp__handle_end(&c->handle);
  waiting = opamp__queue_purge(c);
  opamp__loop_mark(l, c);
  opamp__unlock(l);
  opamp__events_discard(waiting);
  /* Nobody at work: then it is taken down here and now, else by who is. */
  if (opamp__loop_drive(l)) {
    opamp__loop_drain(l);
    opamp__loop_undrive(l);
  }
  if (own_loop) opamp_loop_free(l);
  opamp__loop_unref(l);
}

/* --- start and stop ------------------------------------------------------- */

static bool lacks_packages(const opamp_client *c) {
  return (c->capabilities & OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES) != 0 &&
         c->callbacks != NULL && c->callbacks->table.on_packages == NULL;
}

opamp_status opamp_client_start(opamp_client *c) {
  opamp__command *cmd;
  bool bad;
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  cmd = opamp__command_new(OPAMP__IN_START);
  if (cmd == NULL) return opamp__nomem();
  opamp__lock(c->loop);
  bad = lacks_packages(c);
  if (!bad) c->started = true;
  opamp__unlock(c->loop);
  if (bad) {
    opamp__command_free(cmd);
    return opamp__fail(OPAMP_ERR_INVALID,
                       "AcceptsPackages is on, but there is no on_packages");
  }
  return opamp__client_post(c, cmd);
}

static opamp_status stop(opamp_client *c, bool silent, const char *function) {
  opamp_status status = opamp__client_check(c, function);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  cmd = opamp__command_new(OPAMP__IN_STOP);
  if (cmd == NULL) return opamp__nomem();
  cmd->in.silent = silent;
  return opamp__client_post(c, cmd);
}

opamp_status opamp_client_stop(opamp_client *c) {
  return stop(c, false, __func__);
}

opamp_status opamp_client_stop_silent(opamp_client *c) {
  return stop(c, true, __func__);
}

/* --- certificates --------------------------------------------------------- */

opamp_status opamp_client_request_certificate(opamp_client *c) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  if (!opamp__snapshot_has_store(c->options))
    return opamp__fail(OPAMP_ERR_STATE,
                       "%s: there is no store to keep the key in", __func__);
  return opamp__client_post(c, opamp__command_new(OPAMP__IN_CERTIFICATE));
}

/* --- belongings ----------------------------------------------------------- */

/* These are of use in a forked child, too. */

static bool is_client(const opamp_client *c, const char *function) {
  return opamp__handle_check(c, OPAMP__HANDLE_CLIENT, function) == OPAMP_OK;
}

opamp_loop *opamp_client_loop(const opamp_client *c) {
  return is_client(c, __func__) ? c->loop : NULL;
}

void opamp_client_set_user_data(opamp_client *c, void *user_data) {
  if (is_client(c, __func__)) atomic_store(&c->user_data, user_data);
}

void *opamp_client_user_data(const opamp_client *c) {
  return is_client(c, __func__) ? atomic_load(&c->user_data) : NULL;
}

opamp_status opamp_client_set_callbacks(opamp_client *c,
                                        const opamp_callbacks *cb,
                                        void *user_data) {
  opamp__callbacks *copy = NULL, *old;
  opamp_status status = opamp__client_check(c, __func__);
  bool late;
  if (status != OPAMP_OK) return status;
  if (cb != NULL) {
    size_t n = cb->struct_size;
    if (n < sizeof cb->struct_size)
      return opamp__fail(OPAMP_ERR_INVALID, "callbacks: no struct_size");
    copy = opamp__calloc(1, sizeof *copy);
    if (copy == NULL) return opamp__nomem();
    memcpy(&copy->table, cb, n < sizeof *cb ? n : sizeof *cb);
    copy->user_data = user_data;
  }
  opamp__lock(c->loop);
  late = c->started;
  old = late ? copy : c->callbacks;
  if (!late) c->callbacks = copy;
  opamp__unlock(c->loop);
  opamp__free(old);
  return late ? opamp__fail(OPAMP_ERR_STATE, "callbacks: the client is started")
              : OPAMP_OK;
}
