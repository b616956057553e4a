/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_WORLD_H
#define OPAMP_TESTS_WORLD_H

#include "player.h"

/* What the core of a transcript has around it beside a network: a store, keys,
 * certificates, and an end of its power. */

/* Settings: "store", "saved by hand", "own uid"; false when it is another. */
bool world_setting(player *p, const char *line);
/* Inputs: "loaded …", "saved …", "power cut …", "key …", "renew in …". */
bool world_input(player *p, const char *line);

/* A LOAD, SAVE, ERASE or KEY; true when it is answered by itself, without being
 * written down. */
bool world_took(player *p, const opamp__action *a, char *text, size_t size);
/* Answers what is due by itself. */
bool world_answer(player *p);

/* For opamp__core_env. A certificate "C:name" belongs to the key "name"; a proxy
 * "nowhere" cannot be used. */
opamp_status world_usable(void *ctx, const opamp_msg *settings);
int64_t world_renew_in(void *ctx, opamp_bytes pem, uint64_t percent);

void world_free(player *p);

#endif
