/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_OPTIONS_H
#define OPAMP_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cli.h"
#include "common/connection.h"

/* --answer, in the order of its argument. */
enum { ANSWER_APPLIED, ANSWER_FAILED, ANSWER_PENDING, ANSWER_MANUAL };

/* The command line. Texts are those of argv. */
typedef struct agent_options {
  connection_options connection; /* first, for its rows */
  const char *config_dir;
  const char *apply;
  uint64_t apply_timeout_ms;
  int answer; /* ANSWER_…; the default is filled in */
  const char *service_name;
  cli_list identify, describe; /* "K=V" */
  bool no_default_attributes;
  const char *capability_list;
  uint64_t capabilities; /* what came of it */
  const char *header_command;
  const char *on_restart;
  int log;
  uint64_t offer_deadline_ms; /* 0: not given */
  uint64_t for_ms;
  bool json, json_bodies, control;
} agent_options;

extern const cli_tool agent_tool;

/* Reads the command line. -1: go on, otherwise what to exit with. Free with
 * agent_options_free in any case. */
int agent_options_parse(agent_options *o, int argc, char **argv);
void agent_options_free(agent_options *o);

/* Applies "+Name", "-Name" and "Name" to the capabilities `*bits`; false with
 * `why`. */
bool agent_capabilities_parse(const char *list, uint64_t *bits, char *why,
                              size_t room);

#endif
