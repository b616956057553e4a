/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/snapshot.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "opamp/fields.h"
#include "transport/proxy_env.h"

enum {
  DEFAULT_CAPABILITIES = OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS |
                         OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
                         OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT
};

opamp__snapshot *opamp__snapshot_new(void) {
  opamp__snapshot *s = opamp__calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  if (pthread_mutex_init(&s->tls_mutex, NULL) != 0) {
    opamp__free(s);
    return NULL;
  }
  atomic_init(&s->refs, 1);
  opamp__numbers_default(s->numbers);
  s->capabilities = DEFAULT_CAPABILITIES;
  return s;
}

static bool copy_texts(opamp__snapshot *to, const opamp__snapshot *from) {
  for (int i = 0; i < OPAMP__TEXTS; i++) {
    const char *text = from->texts[i];
    if (text == NULL) continue;
    to->texts[i] = opamp__strndup(text, strlen(text));
    if (to->texts[i] == NULL) return false;
  }
  return true;
}

opamp__snapshot *opamp__snapshot_copy(const opamp__snapshot *s) {
  opamp__snapshot *copy = opamp__snapshot_new();
  if (copy == NULL) return NULL;
  memcpy(copy->numbers, s->numbers, sizeof copy->numbers);
  copy->capabilities = s->capabilities;
  copy->has_uid = s->has_uid;
  memcpy(copy->uid, s->uid, sizeof copy->uid);
  if (copy_texts(copy, s) &&
      (s->url.text == NULL ||
       opamp__url_copy(&copy->url, &s->url) == OPAMP_OK) &&
      opamp__proxy_copy(&copy->proxy, &s->proxy) == OPAMP_OK &&
      opamp__headers_copy(&copy->headers, &s->headers) == OPAMP_OK)
    return copy;
  opamp__snapshot_unref(copy);
  return NULL;
}

opamp__snapshot *opamp__snapshot_ref(opamp__snapshot *s) {
  atomic_fetch_add(&s->refs, 1);
  return s;
}

void opamp__snapshot_unref(opamp__snapshot *s) {
  if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1) return;
  for (int i = 0; i < OPAMP__TEXTS; i++) {
    if (s->texts[i] == NULL) continue;
    opamp__wipe(s->texts[i], strlen(s->texts[i])); /* may be a private key */
    opamp__free(s->texts[i]);
  }
  if (s->url.text != NULL) opamp__url_free(&s->url);
  opamp__proxy_free(&s->proxy);
  opamp__headers_free(&s->headers);
  opamp__tls_unref(s->tls);
  pthread_mutex_destroy(&s->tls_mutex);
  opamp__free(s);
}

opamp_status opamp__snapshot_proxy(const opamp__snapshot *s,
                                   const opamp__url *url, opamp__proxy *room,
                                   const opamp__proxy **out) {
  *room = (opamp__proxy){0};
  *out = s->proxy.address != NULL ? &s->proxy : NULL;
  if (*out != NULL || s->numbers[OPAMP_OPT_PROXY_FROM_ENV] == 0)
    return OPAMP_OK;
  opamp_status status = opamp__proxy_from_env(room, url);
  if (status != OPAMP_OK || room->address == NULL) return status;
  status = opamp__headers_copy(&room->headers, &s->proxy.headers);
  if (status != OPAMP_OK)
    opamp__proxy_free(room);
  else
    *out = room;
  return status;
}

bool opamp__snapshot_has_tls(const opamp__snapshot *s) {
  for (int i = OPAMP_TEXT_TLS_CA_FILE; i <= OPAMP_TEXT_TLS_CIPHERS; i++)
    if (s->texts[i] != NULL) return true;
  return false;
}

opamp__tls_options opamp__snapshot_tls_options(const opamp__snapshot *s) {
  return (opamp__tls_options){
      .ca_file = s->texts[OPAMP_TEXT_TLS_CA_FILE],
      .ca_pem = s->texts[OPAMP_TEXT_TLS_CA_PEM],
      .cert_file = s->texts[OPAMP_TEXT_TLS_CERT_FILE],
      .cert_pem = s->texts[OPAMP_TEXT_TLS_CERT_PEM],
      .key_file = s->texts[OPAMP_TEXT_TLS_KEY_FILE],
      .key_pem = s->texts[OPAMP_TEXT_TLS_KEY_PEM],
      .min_version = s->texts[OPAMP_TEXT_TLS_MIN_VERSION],
      .max_version = s->texts[OPAMP_TEXT_TLS_MAX_VERSION],
      .ciphers = s->texts[OPAMP_TEXT_TLS_CIPHERS],
      .system_ca = s->numbers[OPAMP_OPT_TLS_SYSTEM_CA] != 0,
      .insecure = s->numbers[OPAMP_OPT_TLS_INSECURE] != 0,
  };
}

opamp_status opamp__snapshot_tls(opamp__snapshot *s, opamp__tls **out) {
  opamp_status status = OPAMP_OK;
  pthread_mutex_lock(&s->tls_mutex);
  if (s->tls == NULL) {
    opamp__tls_options o = opamp__snapshot_tls_options(s);
    status = opamp__tls_new(&s->tls, &o);
    if (status != OPAMP_OK) s->tls = NULL;
  }
  *out = s->tls;
  pthread_mutex_unlock(&s->tls_mutex);
  return status;
}

void opamp__snapshot_forget_tls(opamp__snapshot *s) {
  opamp__tls_unref(s->tls);
  s->tls = NULL;
}

bool opamp__snapshot_has_store(const opamp__snapshot *s) {
  return s->numbers[OPAMP_OPT_STORE] != 0 ||
         s->texts[OPAMP_TEXT_STATE_DIR] != NULL;
}

opamp_status opamp__snapshot_check(opamp__snapshot *s) {
  opamp__tls *tls;
  if (s->url.text == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "url: there is none");
  if (s->numbers[OPAMP_OPT_STORE] != 0 &&
      s->texts[OPAMP_TEXT_STATE_DIR] != NULL)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "options store and state directory: one of them");
  if (s->numbers[OPAMP_OPT_REQUEST_CERTIFICATE] != 0 &&
      !opamp__snapshot_has_store(s))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "option request-certificate: there is no store to keep "
                       "the key in");
  if (s->numbers[OPAMP_OPT_OWN_TRANSPORT] != 0) return OPAMP_OK;
  /* A redirect may lead to TLS, so that its options are checked in any case. */
  bool proxy_tls =
      s->proxy.address != NULL && s->proxy.kind == OPAMP__PROXY_HTTPS;
  if (s->url.tls || proxy_tls || opamp__snapshot_has_tls(s))
    return opamp__snapshot_tls(s, &tls);
  return OPAMP_OK;
}
