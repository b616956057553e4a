/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_AGENT_H
#define OPAMP_AGENT_AGENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/options.h"
#include "agent/wait.h"
#include "opamp/opamp.h"

/* opamp-agent: one thread, one client, one poll().
 *
 *   main.c        start, signals, the loop, the end
 *   options.c     the command line
 *   events.c      what the library says, as JSON        out.c: and as a line
 *   control.c     standard input, line by line
 *   commands.c    JSON commands; command_args.c, command_state.c
 *   offers.c      an offer: files, apply, verdict, effective configuration
 *   files.c       where the files are: --config-dir or a private directory
 *   headers.c     the headers, from options, --header-command and set_header
 *   attributes.c  AgentDescription and attribute values
 *   restart.c     the restart command
 *   watch.c       changes in the configuration directory
 *   child.c       shell commands             wait.c: descriptors and timers
 *   utf8.c        output of commands as text */

typedef struct control control;
typedef struct headers headers;
typedef struct offers offers;
typedef struct restart restart;

typedef struct agent {
  agent_options options;
  int64_t started_ms; /* monotonic */
  waits waits;
  wait_fd signals, from_loop;
  wait_timer for_timer;
  opamp_loop *loop;
  opamp_client *client;
  headers *headers;
  offers *offers;
  restart *restart;
  control *control;
  json_t *declared;     /* custom capabilities, a list */
  bool own_description; /* nobody has set another */
  bool started;         /* the client was told to start */
  bool stopping;        /* and to stop */
  int64_t stop_by_ms;   /* when it must have, monotonic */
  bool signalled;       /* by a signal */
  bool disconnect_sent; /* AgentDisconnect went out */
  bool finished;        /* leave the loop */
  bool stuck[3];        /* nobody reads this descriptor: nothing is written */
  int exit_code;
} agent;

/* --- main.c --------------------------------------------------------------- */

/* Stops as a signal does; with `disconnect` the server is told. */
void agent_stop(agent *a, bool disconnect);

/* Something that makes going on pointless. Says so and ends with status 1. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void agent_fail(agent *a, const char *fmt, ...);

/* --- out.c ---------------------------------------------------------------- */

/* A new event line, with "event" and "t_ms"; NULL when out of memory, which
 * every json_… and out_… function takes. */
json_t *out_new(const agent *a, const char *event);

/* Prints it in the form the user chose. Steals the reference. */
void out_print(agent *a, json_t *line);

/* A sentence of the tool's own, as the library's log records: an event, and
 * on standard error. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void out_log(agent *a, int level, const char *fmt, ...);
void out_log_text(agent *a, int level, const char *text);

/* Adds key: value, the value as hex, base64, a UUID, or text; an absent one
 * is an empty text, so that every key of the contract is there. */
void out_hex(json_t *line, const char *key, opamp_bytes b);
void out_base64(json_t *line, const char *key, opamp_bytes b);
void out_uid(json_t *line, const char *key, opamp_bytes uid);
void out_text(json_t *line, const char *key, opamp_str text);

/* --- events.c ------------------------------------------------------------- */

/* Prints the event, and hands it to what must act on it. */
void event_handle(agent *a, opamp_event *e);

/* The names of the fields of a message type whose bits are set in `bits`. */
json_t *event_field_names(int type, uint64_t bits);

/* --- attributes.c --------------------------------------------------------- */

/* Sets the description that the options ask for. */
opamp_status attributes_describe(agent *a);

/* Adds the members of a JSON object to a repeated KeyValue field. False, with
 * where and what in `err`. */
bool attributes_from_json(opamp_msg *m, int field, const json_t *object,
                          char *err, size_t room);

/* --- control.c, commands.c ------------------------------------------------ */

/* Reads standard input from now on. NULL when out of memory. */
control *control_new(agent *a);
void control_free(control *c);

/* Runs the command of one line and prints its result. */
void command_run(agent *a, const char *line, size_t len);

/* --- headers.c ------------------------------------------------------------ */

headers *headers_new(agent *a);
void headers_free(headers *h);

/* Runs --header-command, gives the client what came of it, and then calls
 * `done` unless that is NULL; at once when there is no such command. */
void headers_refresh(headers *h, wait_cb done, void *user_data);

/* Replaces all headers of that name by one, or by none (NULL). */
opamp_status headers_set(headers *h, const char *name, const char *value);

/* --- offers.c ------------------------------------------------------------- */

/* Opens --config-dir and reports what is in there. NULL with opamp_errmsg. */
offers *offers_new(agent *a);
/* Ends what runs, and restores the files of an offer without a verdict. */
void offers_free(offers *o);

/* The event is a remote configuration; it is answered here or later. */
void offers_take(offers *o, opamp_event *e);
/* The library has settled the status of a configuration. */
void offers_status(offers *o, opamp_bytes hash, int status);
/* Reads the directory again and reports it. */
void offers_report(offers *o);
/* Runs --apply on the files that are in place, without a verdict. */
void offers_apply_again(offers *o);
/* The agent stops: an offer that is being applied has failed. */
void offers_stop(offers *o);

/* --- restart.c ------------------------------------------------------------ */

restart *restart_new(agent *a);
void restart_free(restart *s);
void restart_run(restart *s);

#endif
