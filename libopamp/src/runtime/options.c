/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/options.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "opamp/fields.h"
#include "runtime/snapshot.h"
#include "transport/transport.h"

opamp_status opamp_options_new(opamp_options **out) {
  opamp_options *o = opamp__calloc(1, sizeof *o);
  *out = NULL;
  if (o == NULL) return opamp__nomem();
  opamp__handle_begin(&o->handle, OPAMP__HANDLE_OPTIONS);
  o->snap = opamp__snapshot_new();
  if (o->snap == NULL) {
    opamp__free(o);
    return opamp__nomem();
  }
  *out = o;
  return OPAMP_OK;
}

static opamp_status check(const opamp_options *o, const char *function) {
  return opamp__handle_check(o, OPAMP__HANDLE_OPTIONS, function);
}

void opamp_options_free(opamp_options *o) {
  if (o == NULL || check(o, __func__) != OPAMP_OK) return;
  opamp__snapshot_unref(o->snap);
  opamp__handle_free(&o->handle, sizeof *o);
}

/* The snapshot, no client sharing it, for a change; NULL when out of memory. */
static opamp__snapshot *edit(opamp_options *o) {
  if (atomic_load(&o->snap->refs) > 1) {
    opamp__snapshot *copy = opamp__snapshot_copy(o->snap);
    if (copy == NULL) return NULL;
    opamp__snapshot_unref(o->snap);
    o->snap = copy;
  }
  opamp__snapshot_forget_tls(o->snap);
  return o->snap;
}

opamp_status opamp_options_check(const opamp_options *o) {
  opamp_status status = check(o, __func__);
  return status == OPAMP_OK ? opamp__snapshot_check(o->snap) : status;
}

/* --- numbers -------------------------------------------------------------- */

opamp_status opamp_options_set_number(opamp_options *o, int key,
                                      uint64_t value) {
  const opamp__number *n = opamp__number_find(key);
  opamp_status status = check(o, __func__);
  opamp__snapshot *s;
  if (status != OPAMP_OK) return status;
  if (n == NULL)
    return opamp__fail(OPAMP_ERR_NOTFOUND, "no number option %d", key);
  if (value < n->min || value > n->max)
    return opamp__fail(OPAMP_ERR_INVALID, "%s: %llu is not within %llu to %llu",
                       n->name, (unsigned long long)value,
                       (unsigned long long)n->min, (unsigned long long)n->max);
  if (o->snap->numbers[key] == value) return OPAMP_OK;
  s = edit(o);
  if (s == NULL) return opamp__nomem();
  s->numbers[key] = value;
  return OPAMP_OK;
}

uint64_t opamp_options_number(const opamp_options *o, int key) {
  if (check(o, __func__) != OPAMP_OK || opamp__number_find(key) == NULL)
    return 0;
  return o->snap->numbers[key];
}

int opamp_option_at(size_t i) {
  const opamp__number *n = opamp__number_at(i);
  return n == NULL ? 0 : n->key;
}

const char *opamp_option_name(int key) {
  const opamp__number *n = opamp__number_find(key);
  return n == NULL ? NULL : n->name;
}

uint64_t opamp_option_default(int key) {
  const opamp__number *n = opamp__number_find(key);
  return n == NULL ? 0 : n->def;
}

uint64_t opamp_option_min(int key) {
  const opamp__number *n = opamp__number_find(key);
  return n == NULL ? 0 : n->min;
}

uint64_t opamp_option_max(int key) {
  const opamp__number *n = opamp__number_find(key);
  return n == NULL ? 0 : n->max;
}

/* --- texts ---------------------------------------------------------------- */

static opamp_status set_url(opamp_options *o, const char *value) {
  opamp__url url = {0};
  opamp__snapshot *s;
  if (value != NULL) {
    opamp_status status = opamp__url_parse(&url, opamp__str(value));
    if (status == OPAMP_OK && url.websocket &&
        o->snap->numbers[OPAMP_OPT_OWN_TRANSPORT] == 0)
      status = opamp__ws_supported();
    if (status != OPAMP_OK) {
      opamp__url_free(&url);
      return status;
    }
  }
  s = edit(o);
  if (s == NULL) {
    if (url.text != NULL) opamp__url_free(&url);
    return opamp__nomem();
  }
  if (s->url.text != NULL) opamp__url_free(&s->url);
  s->url = url;
  return OPAMP_OK;
}

/* The headers for the proxy stay. */
static opamp_status set_proxy(opamp_options *o, const char *value) {
  opamp__proxy proxy = {0};
  if (value != NULL) {
    opamp_status status = opamp__proxy_parse(&proxy, opamp__str(value));
    if (status != OPAMP_OK) return status;
  }
  opamp__snapshot *s = edit(o);
  if (s == NULL) {
    opamp__proxy_free(&proxy);
    return opamp__nomem();
  }
  proxy.headers = s->proxy.headers;
  s->proxy.headers = (opamp__headers){0};
  opamp__proxy_free(&s->proxy);
  s->proxy = proxy;
  return OPAMP_OK;
}

static opamp_status check_text(int key, const char *value) {
  if (value == NULL) return OPAMP_OK;
  if (key == OPAMP_TEXT_TLS_MIN_VERSION || key == OPAMP_TEXT_TLS_MAX_VERSION)
    return opamp__tls_check_version(value);
  if (key == OPAMP_TEXT_TLS_CIPHERS) return opamp__tls_check_ciphers(value);
  return OPAMP_OK;
}

opamp_status opamp_options_set_text(opamp_options *o, int key,
                                    const char *value) {
  opamp_status status = check(o, __func__);
  opamp__snapshot *s;
  char *copy = NULL;
  if (status != OPAMP_OK) return status;
  if (key < OPAMP_TEXT_URL || key >= OPAMP__TEXTS)
    return opamp__fail(OPAMP_ERR_NOTFOUND, "no text option %d", key);
  if (key == OPAMP_TEXT_URL) return set_url(o, value);
  if (key == OPAMP_TEXT_PROXY) return set_proxy(o, value);
  status = check_text(key, value);
  if (status != OPAMP_OK) return status;
  if (value != NULL) {
    copy = opamp__strndup(value, strlen(value));
    if (copy == NULL) return opamp__nomem();
  }
  s = edit(o);
  if (s == NULL) {
    if (copy != NULL) opamp__wipe(copy, strlen(copy));
    opamp__free(copy);
    return opamp__nomem();
  }
  if (s->texts[key] != NULL) opamp__wipe(s->texts[key], strlen(s->texts[key]));
  opamp__free(s->texts[key]);
  s->texts[key] = copy;
  return OPAMP_OK;
}

/* --- the rest ------------------------------------------------------------- */

static opamp_status add_header(opamp_options *o, bool for_proxy,
                               const char *name, const char *value,
                               const char *function) {
  opamp_status status = check(o, function);
  opamp__snapshot *s;
  if (status != OPAMP_OK) return status;
  s = edit(o);
  if (s == NULL) return opamp__nomem();
  return opamp__headers_add(for_proxy ? &s->proxy.headers : &s->headers,
                            opamp__str(name), opamp__str(value));
}

opamp_status opamp_options_add_header(opamp_options *o, const char *name,
                                      const char *value) {
  return add_header(o, false, name, value, __func__);
}

opamp_status opamp_options_add_proxy_header(opamp_options *o, const char *name,
                                            const char *value) {
  return add_header(o, true, name, value, __func__);
}

opamp_status opamp_options_set_instance_uid(opamp_options *o, opamp_bytes uid) {
  opamp_status status = check(o, __func__);
  opamp__snapshot *s;
  if (status != OPAMP_OK) return status;
  if (uid.len != OPAMP_UID_LEN)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "instance uid: it has %zu bytes, not %d", uid.len,
                       OPAMP_UID_LEN);
  if (opamp__uuid_is_zero(uid.ptr))
    return opamp__fail(OPAMP_ERR_INVALID, "instance uid: it is all zero");
  s = edit(o);
  if (s == NULL) return opamp__nomem();
  memcpy(s->uid, uid.ptr, OPAMP_UID_LEN);
  s->has_uid = true;
  return OPAMP_OK;
}

opamp_status opamp_options_set_capabilities(opamp_options *o,
                                            uint64_t capabilities) {
  opamp_status status = check(o, __func__);
  opamp__snapshot *s;
  if (status != OPAMP_OK) return status;
  s = edit(o);
  if (s == NULL) return opamp__nomem();
  s->capabilities = capabilities | OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS;
  return OPAMP_OK;
}
