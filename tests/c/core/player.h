/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_PLAYER_H
#define OPAMP_TESTS_PLAYER_H

#include "core/core.h"
#include "invariants.h"
#include "transcript.h"

/* The parts of the transcript player: player.c drives a core, inputs.c turns a
 * line into inputs, expect.c compares what came out with what is written. */

enum { PLAYER_TEXT = 8192 };

/* One thing that came out. */
typedef struct output {
  int kind;           /* OPAMP__DO_… */
  char *text;         /* as a transcript would write it */
  opamp_msg *sent;    /* SEND: the AgentToServer */
  opamp_event *event; /* EMIT */
  bool again;         /* SEND: the same bytes as the last one */
} output;

/* A store, and the time of a certificate (world.c). */
typedef struct world {
  opamp__buf kept[OPAMP__KEEPS], held;
  bool there[OPAMP__KEEPS];
  bool by_hand, load_by_hand, erasing;
  int saving;   /* the key that waits for its answer, -1 none */
  unsigned due; /* bits of keys to be answered: loaded, above them saved */
  int64_t renew_in;
} world;

typedef struct player {
  const transcript *t;
  const transcript_mode *mode;
  size_t line; /* index of the line being played */
  bool failed;

  uint64_t numbers[OPAMP__NUMBERS];
  opamp__url url;
  opamp__core_config config;
  opamp__core *core;
  uint64_t now, random;
  bool manual_written;
  bool duplex; /* of the present connection */
  world world;
  size_t fail_at, fail_left; /* the allocation to fail; how many until then */

  output *outputs;
  size_t output_len, output_next;

  /* Invariants over all that was sent. */
  opamp__buf last_frame;
  int64_t last_seq;
  uint32_t last_offer;
  invariants invariants;
} player;

/* Says what is wrong at the present line. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void player_fail(player *p, const char *fmt, ...);
/* The same for what must never be, in whatever mode. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void player_broken(player *p, const char *fmt, ...);

/* A life: settings may change until the core is made. */
void player_set_up(player *p, const transcript *t,
                   const transcript_mode *mode);
bool player_begin(player *p);
void player_tear_down(player *p);

/* Whether memory is taken for the test itself, where none may fail. Once one
 * has failed, those that follow do until this is called. */
void player_memory(player *p, bool own);

/* Feeds one input; memory failing is only fine when it was made to. */
void player_feed(player *p, const opamp__input *in);

/* Takes all actions of the core; forgets what came out. */
void player_drain(player *p);
void player_clear(player *p);

/* inputs.c: a line without its time. False when it is not understood. */
bool player_input(player *p, const char *line);
/* "option name value", "url …", "capabilities …" and the like, before the first
 * time. */
bool player_setting(player *p, const char *line);

/* expect.c: compares the next output with an expected line. */
void player_expect(player *p, const char *line);

#endif
