/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_STR_H
#define OPAMP_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opamp/types.h"

/* A span of a literal, and of a NUL-terminated text (NULL: absent). */
#define OPAMP__LIT(s) ((opamp_str){"" s, sizeof(s) - 1})
opamp_str opamp__str(const char *z);

bool opamp__str_eq(opamp_str a, opamp_str b);
bool opamp__str_case_eq(opamp_str a, opamp_str b); /* ASCII */
int opamp__str_cmp(opamp_str a, opamp_str b);      /* bytes, shorter first */
bool opamp__bytes_eq(opamp_bytes a, opamp_bytes b);

/* Whether n bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool opamp__utf8_valid(const uint8_t *p, size_t n);
/* Makes them that: each byte that belongs to no character becomes '?'. */
void opamp__utf8_mend(uint8_t *p, size_t n);

/* Decimal digits only, the whole span, no overflow. */
bool opamp__str_to_u64(opamp_str s, uint64_t *out);

/* Without spaces and tabs at both ends. */
opamp_str opamp__str_trim(opamp_str s);

#endif
