/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_OPTIONS_H
#define OPAMP_TOOLS_PEER_OPTIONS_H

#include <stdbool.h>

#include "common/cli.h"
#include "peer/peer.h"

/* The command line of opamp-peer. */
typedef struct peer_cli {
  peer_options peer;
  const char *script;
  bool json;
  bool control;
} peer_cli;

extern const cli_tool peer_cli_tool;

/* -1: go on; otherwise the exit code. */
int peer_cli_parse(peer_cli *cli, int argc, char **argv);

#endif
