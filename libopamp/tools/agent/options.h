/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_OPTIONS_H
#define OPAMP_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cli.h"
#include "opamp/options.h"

/* --answer, in the order of its argument. */
enum { ANSWER_APPLIED, ANSWER_FAILED, ANSWER_PENDING, ANSWER_MANUAL };

/* The command line. Texts are those of argv. */
typedef struct agent_options {
  opamp_options *library; /* what the library itself is told */
  const char *url;
  const char *config_dir;
  const char *apply;
  uint64_t apply_timeout_ms;
  int answer; /* ANSWER_…; the default is filled in */
  const char *service_name;
  cli_list identify, describe; /* "K=V" */
  bool no_default_attributes;
  const char *capability_list;
  uint64_t capabilities; /* what came of it */
  cli_list headers;      /* "K: V" */
  const char *header_command;
  const char *on_restart;
  const char *cert, *key; /* files of TLS */
  bool system_ca, insecure;
  int compression, log;
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

/* The end of the name in "K: V", and its value without spaces around it; false
 * unless there is a colon behind a name. */
bool agent_header_split(const char *line, size_t *name_len, const char **value,
                        size_t *value_len);

#endif
