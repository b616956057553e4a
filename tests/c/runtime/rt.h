/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_RUNTIME_RT_H
#define OPAMP_TESTS_RUNTIME_RT_H

#include "harness.h"
#include "opamp/opamp.h"
#include "stub.h"

/* What the tests of the runtime share: a client on a loop, against a stub. */

typedef struct rt {
  stub *s;
  opamp_options *o;
  opamp_loop *l;
  opamp_client *c;
} rt;

/* Short delays; URL of the stub; all capabilities but packages. */
opamp_options *rt_options(const stub *s, bool websocket);
rt rt_new(bool websocket);
/* Also starts it and waits until it is connected. */
rt rt_connected(bool websocket);
void rt_free(rt *t);

/* Drives the loop until an event of the kind comes, which is the caller's;
 * others are freed. Fails the test after 10 s. */
opamp_event *rt_event(opamp_loop *l, int kind);
void rt_skip(opamp_loop *l, int kind);
/* Drives the loop, throwing its events away, until `done` is true. */
void rt_until(opamp_loop *l, bool (*done)(void *ctx), void *ctx);
/* Until the stub has got that many messages. */
void rt_messages(rt *t, size_t n);
/* Until what was set is delivered. */
void rt_delivered(opamp_loop *l, opamp_client *c);

/* ComponentHealth with `text` as its status; AgentDescription with one
 * attribute; an offer of a file `body`, with `hash`. All are the caller's. */
opamp_msg *rt_health(const char *text);
opamp_msg *rt_description(const char *name);
opamp_msg *rt_offer(const char *hash, const char *body);
opamp_msg *rt_customs(const char *capability);
opamp_msg *rt_custom(const char *capability, const char *type);
void rt_set_health(opamp_client *c, const char *text);
void rt_set_description(opamp_client *c, const char *name);
void rt_declare(opamp_client *c, const char *capability);

/* The status text of the health a message carries; "" without. */
const char *rt_health_of(const opamp_msg *m);
/* How many open descriptors this process has. */
size_t rt_descriptors(void);
uint64_t rt_now_ms(void);
/* What opamp_loop_wait_event gave, NULL for whatever reason. */
opamp_event *rt_wait_event(opamp_loop *l, int timeout_ms);

#endif
