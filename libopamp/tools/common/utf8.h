/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_UTF8_H
#define OPAMP_TOOLS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether n bytes are UTF-8 without a NUL. */
bool utf8_valid(const char *text, size_t n);

/* Copies the end of n bytes that fits, NUL-terminated, with '?' for every byte
 * that belongs to no character and for control characters other than tab and
 * line feed. */
void utf8_clean(char *buf, size_t room, const char *bytes, size_t n);

#endif
