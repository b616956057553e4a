/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_HUMAN_H
#define OPAMP_TOOLS_PEER_HUMAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Writes one event as a line for people and flushes. False when it could not
 * be written. */
bool human_write(FILE *out, const json_t *event);

#endif
