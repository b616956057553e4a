/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_SNAPSHOT_H
#define OPAMP_RUNTIME_SNAPSHOT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/handle.h"
#include "base/headers.h"
#include "base/proxy.h"
#include "base/url.h"
#include "core/numbers.h"
#include "opamp/options.h"
#include "transport/tls.h"

/* The content of an options object. It is shared by that object and the
 * clients made from it, and is changed only while the options object is its
 * sole owner; who shares it copies before a change. */

enum { OPAMP__TEXTS = OPAMP_TEXT_STATE_DIR + 1 };

typedef struct opamp__snapshot {
  atomic_uint refs;
  uint64_t numbers[OPAMP__NUMBERS];
  char *texts[OPAMP__TEXTS]; /* by key; of URLs only what follows is kept */
  opamp__url url;            /* url.text is NULL when there is none */
  opamp__proxy proxy;        /* its headers are there without it, too */
  opamp__headers headers;
  uint64_t capabilities;
  bool has_uid;
  uint8_t uid[OPAMP_UID_LEN];

  pthread_mutex_t tls_mutex; /* guards tls: made by the first that needs it */
  opamp__tls *tls;
} opamp__snapshot;

struct opamp_options {
  opamp__handle handle;
  opamp__snapshot *snap;
};

opamp__snapshot *opamp__snapshot_new(void);
opamp__snapshot *opamp__snapshot_copy(const opamp__snapshot *s);
opamp__snapshot *opamp__snapshot_ref(opamp__snapshot *s);
void opamp__snapshot_unref(opamp__snapshot *s);

/* The proxy for a URL: the one that is set, or one that the environment names
 * when it may be asked, which is then in `room` for the caller to free; NULL
 * for none. Errors as opamp__proxy_from_env. */
opamp_status opamp__snapshot_proxy(const opamp__snapshot *s,
                                   const opamp__url *url, opamp__proxy *room,
                                   const opamp__proxy **out);

/* Whether any text or switch of TLS is set. */
bool opamp__snapshot_has_tls(const opamp__snapshot *s);

/* Whether there is anything that keeps what should survive a restart. */
bool opamp__snapshot_has_store(const opamp__snapshot *s);
/* Whether they go together, and a client can be made of them. What TLS needs is
 * read, and kept. Any thread. */
opamp_status opamp__snapshot_check(opamp__snapshot *s);

/* What they say of TLS; the texts are borrowed. */
opamp__tls_options opamp__snapshot_tls_options(const opamp__snapshot *s);
/* The TLS configuration, borrowed; made by the first call, which reads the
 * files. Errors as opamp__tls_new. Any thread. */
opamp_status opamp__snapshot_tls(opamp__snapshot *s, opamp__tls **out);
/* After a change: the next call makes it anew. */
void opamp__snapshot_forget_tls(opamp__snapshot *s);

#endif
