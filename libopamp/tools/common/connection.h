/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_CONNECTION_H
#define OPAMP_TOOLS_CONNECTION_H

#include <stdbool.h>

#include "common/cli.h"
#include "opamp/options.h"

/* What every tool that is a client is told about its connection: URL, headers,
 * proxy, TLS. It is the first member of such a tool's options, so that the rows
 * below find it. Texts are those of argv. */
typedef struct connection_options {
  opamp_options *library; /* what the library itself is told */
  const char *url;
  cli_list headers;       /* "K: V" */
  const char *cert, *key; /* files of TLS */
  bool system_ca, insecure, proxy_from_env;
  int compression;
} connection_options;

/* The row that takes the URL, --header, --compression and proxies; TLS. */
extern const cli_option connection_url[];
extern const cli_option connection_rows[];
extern const cli_option connection_tls_rows[];

/* False, having said why on standard error, when out of memory. */
bool connection_begin(const cli_tool *tool, connection_options *c);
/* After the last option. -1: go on, otherwise what to exit with. */
int connection_settle(const cli_tool *tool, connection_options *c);
void connection_free(connection_options *c);

/* A number of the library: the key of the row is OPAMP_OPT_…. Its default, for
 * cli_tool. */
bool connection_set_number(const cli_option *o, void *target, const char *value,
                           char *why, size_t room);
const char *connection_default(const cli_option *o, char *buf, size_t room);

/* The end of the name in "K: V", and its value without spaces around it; false
 * unless there is a colon behind a name. */
bool header_split(const char *line, size_t *name_len, const char **value,
                  size_t *value_len);

#endif
