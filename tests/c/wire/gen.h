/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_WIRE_GEN_H
#define OPAMP_TESTS_WIRE_GEN_H

/* Messages for tests, made and compared through the public introspection. */

#include "harness.h"
#include "opamp/message.h"
#include "wire/wire.h"

/* Fills every field of `m`, `depth` levels deep, with values that differ from
 * field to field; of a oneof the member number `pick` (modulo) is set. Returns
 * the first status that is not OPAMP_OK. */
opamp_status gen_fill(opamp_msg *m, int depth, unsigned pick);

/* Fails the test when two messages differ in any field, recursively. */
void gen_check_equal(const opamp_msg *a, const opamp_msg *b);

/* The plain and the canonical encoding; freed with opamp__buf_free. */
opamp__buf gen_pack(const opamp_msg *m);
opamp__buf gen_canonical(const opamp_msg *m);

opamp_msg *gen_parse(int type, opamp__buf wire);
opamp_msg *gen_new(int type);

#endif
