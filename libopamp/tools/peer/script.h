/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_SCRIPT_H
#define OPAMP_TOOLS_PEER_SCRIPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "peer/peer.h"

/* A file of commands, done one after the other. Beside the keys of its
 * command a line may have
 *   "when": EVENT    wait for the next such event; the command is for its
 *                    connection unless it names one ("connection": 0: all)
 *   "after_ms": N    then wait this long */
typedef struct script {
  json_t *lines; /* a list of objects */
  size_t next;
  peer *peer;
  uv_timer_t timer;
  bool running;
  uint64_t connection; /* of the event that was waited for */
} script;

/* Zero-initialise it. False with `err`: "file:line: what". *missing: the file
 * could not be read at all. */
bool script_load(script *s, const char *file, bool *missing, char *err,
                 size_t errlen);
void script_start(script *s, peer *p, uv_loop_t *loop);
/* Every event of the peer. */
void script_event(script *s, const json_t *event);
void script_stop(script *s);
void script_free(script *s);

#endif
