/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_REDACT_H
#define OPAMP_BASE_REDACT_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends `text` to `out`, and the value of every key that matches one of
 * `patterns` as "***". Patterns are separated by commas, * and ? stand for any
 * characters and any one, case does not matter ("*password*,api?key").
 *
 * The text may be YAML, JSON, TOML, properties or an environment: a key is a
 * word or a quoted string before a colon or an equals sign, its value the rest
 * of the line, a quoted string, a bracketed structure, or the lines indented
 * below it. In doubt it takes too much. False when out of memory. */
bool opamp__redact(opamp__buf *out, opamp_str text, opamp_str patterns);

#endif
