/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_COMMAND_H
#define OPAMP_AGENT_COMMAND_H

#include "agent/agent.h"
#include "common/buf.h"

/* A command in two steps: checked, which has no effect, then run. So a batch
 * can be checked as a whole before anything is done. */

typedef struct call call;

typedef struct command {
  const char *name;
  const char *keys; /* " hash status error ": what else than command and id */
  bool (*check)(call *c);       /* false with c->err */
  opamp_status (*run)(call *c); /* with opamp_errmsg, or c->err */
  bool alone;                   /* not in a batch */
} command;

struct call {
  agent *a;
  const command *command;
  const json_t *args;
  /* What check found. */
  opamp_msg *msg;
  tool_buf bytes;
  uint64_t number;
  const char *text, *value;
  const json_t *declared; /* custom capabilities by then; borrowed */
  call *batch;
  size_t batched;
  json_t *state; /* what the result carries */
  char err[500];
};

/* --- command_args.c: arguments; all return false with c->err -------------- */

bool arg_fail(call *c, const char *where, const char *what);

/* The value of a key; NULL with c->err when it is not there. */
const json_t *arg_need(call *c, const char *key);
/* A text; *out is NULL when it is absent or null and not `needed`. */
bool arg_text(call *c, const char *key, bool needed, const char **out);
bool arg_number(call *c, const char *key, uint64_t *out);
/* Bytes from hex, or from base64; into c->bytes. */
bool arg_hex(call *c, const char *key);
bool arg_base64(call *c, const char *key);
/* A list of texts. */
bool arg_texts(call *c, const char *key, const json_t **out);

/* c->msg from the arguments of set_health, set_components, set_description. */
bool arg_health(call *c);
bool arg_components(call *c);
bool arg_description(call *c);

/* Every key of `object` is one of `keys` (" a b "). */
bool arg_keys(call *c, const json_t *object, const char *keys,
              const char *where);

/* --- command_state.c ------------------------------------------------------ */

/* What the command `state` answers; a new reference, NULL when out of
 * memory. */
json_t *command_state(agent *a);

#endif
