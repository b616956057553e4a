/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "runtime/runtime.h"

/* Where in opamp_callbacks the callback of a kind is; 0: on_other. */
static const size_t offsets[] = {
    [OPAMP_EVENT_CONNECTED] = offsetof(opamp_callbacks, on_connected),
    [OPAMP_EVENT_CONNECT_FAILED] = offsetof(opamp_callbacks, on_connect_failed),
    [OPAMP_EVENT_DISCONNECTED] = offsetof(opamp_callbacks, on_disconnected),
    [OPAMP_EVENT_STOPPED] = offsetof(opamp_callbacks, on_stopped),
    [OPAMP_EVENT_REMOTE_CONFIG] = offsetof(opamp_callbacks, on_remote_config),
    [OPAMP_EVENT_CONNECTION_SETTINGS] =
        offsetof(opamp_callbacks, on_connection_settings),
    [OPAMP_EVENT_PACKAGES] = offsetof(opamp_callbacks, on_packages),
    [OPAMP_EVENT_COMMAND] = offsetof(opamp_callbacks, on_command),
    [OPAMP_EVENT_CUSTOM_MESSAGE] = offsetof(opamp_callbacks, on_custom_message),
    [OPAMP_EVENT_IDENTITY] = offsetof(opamp_callbacks, on_identity),
    [OPAMP_EVENT_SERVER_ERROR] = offsetof(opamp_callbacks, on_server_error),
    [OPAMP_EVENT_CREDENTIALS_WANTED] =
        offsetof(opamp_callbacks, on_credentials_wanted),
    [OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED] =
        offsetof(opamp_callbacks, on_effective_config_wanted),
    [OPAMP_EVENT_DELIVERED] = offsetof(opamp_callbacks, on_delivered),
    [OPAMP_EVENT_LOG] = offsetof(opamp_callbacks, on_log)};

static opamp_event_cb callback_of(const opamp_callbacks *table, int kind) {
  opamp_event_cb cb = NULL;
  if (kind > 0 && (size_t)kind < sizeof offsets / sizeof *offsets &&
      offsets[kind] != 0)
    memcpy(&cb, (const char *)table + offsets[kind], sizeof cb);
  return cb != NULL ? cb : table->on_other;
}

bool opamp__in_callback(const opamp_loop *l) {
  return l->dispatching && pthread_equal(l->dispatcher, pthread_self());
}

/* What a callback sets, and the answer to its question, goes out in one message
 * when it has returned. False when the callback forked, and this is the child.
 */
static bool run_callback(opamp_event *e, opamp_event_cb cb, void *user_data) {
  opamp_client *c = e->client;
  opamp__client_ref(c);
  if (cb != NULL && !opamp__client_gone(c)) cb(e, user_data);
  /* A child, in which another thread may have the mutex for ever. */
  if (opamp__forked(c->loop)) return false;
  opamp__event_done(e);
  opamp__lock(c->loop);
  c->in_callback--;
  if (c->inbox.head != NULL && !opamp__client_gone(c))
    opamp__loop_mark(c->loop, c);
  opamp__unlock(c->loop);
  opamp__client_unref(c);
  return true;
}

int opamp__dispatch(opamp_loop *l) {
  int ran = 0;
  size_t todo;
  opamp__lock(l);
  if (l->dispatching) { /* another thread is at it */
    opamp__unlock(l);
    return 0;
  }
  l->dispatching = true;
  l->dispatcher = pthread_self();
  todo = l->calls.len;
  while (todo-- > 0 && !l->free_pending) {
    opamp_event *e = opamp__queue_pop(&l->calls);
    const opamp__callbacks *cbs = e == NULL ? NULL : e->client->callbacks;
    opamp_event_cb cb = cbs == NULL ? NULL : callback_of(&cbs->table, e->kind);
    void *user_data = cbs == NULL ? NULL : cbs->user_data;
    if (e == NULL) break;
    e->client->in_callback++;
    opamp__unlock(l);
    if (!run_callback(e, cb, user_data)) return ran;
    ran++;
    opamp__lock(l);
  }
  l->dispatching = false;
  opamp__unlock(l);
  return ran;
}

int opamp_loop_dispatch(opamp_loop *l) {
  opamp_status status = opamp__loop_check(l, __func__);
  bool inside;
  int ran;
  if (status != OPAMP_OK) return status;
  opamp__lock(l);
  inside = opamp__in_callback(l);
  opamp__unlock(l);
  if (inside)
    return opamp__fail(OPAMP_ERR_STATE,
                       "opamp_loop_dispatch: called inside a callback, which "
                       "has to return first");
  opamp__loop_ref(l);
  ran = opamp__dispatch(l);
  if (opamp__forked(l)) return OPAMP_ERR_FORKED;
  opamp__loop_unref(l);
  return ran;
}
