/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_FLEET_OPTIONS_H
#define OPAMP_FLEET_OPTIONS_H

#include "common/connection.h"

/* The command line. */
typedef struct fleet_options {
  connection_options connection; /* first, for its rows */
  uint64_t n;
  uint64_t rate; /* agents to start in a second, 0: as fast as possible */
  bool has_duration;
  uint64_t duration_ms;
  uint64_t health_every_ms; /* 0: never */
  uint64_t apply_delay_ms;
  uint64_t fail_percent;
  double churn_percent; /* in a minute */
  uint64_t seed;
  const char *service_name;
  bool json;
} fleet_options;

extern const cli_tool fleet_tool;

/* Reads the command line. -1: go on, otherwise what to exit with. Free with
 * fleet_options_free in any case. */
int fleet_options_parse(fleet_options *o, int argc, char **argv);
void fleet_options_free(fleet_options *o);

#endif
