/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_HUMAN_H
#define OPAMP_TOOLS_PEER_HUMAN_H

#include <jansson.h>
#include <stdbool.h>

/* Writes one event as a line for people, like tool_write. */
bool human_write(int fd, const json_t *event);

#endif
