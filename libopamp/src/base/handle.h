/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_HANDLE_H
#define OPAMP_BASE_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "opamp/status.h"

/* Every handle begins with a number that says what it is, and whether it still
 * is. Public functions ask for it before they touch anything else, so that
 * NULL, a handle of another kind and one that was freed are answered.
 *
 * The memory of a freed handle belongs to others soon. In builds without NDEBUG
 * it stays for a while, so that who comes late is answered for certain. */
typedef enum opamp__handle_kind {
  OPAMP__HANDLE_LOOP = 1,
  OPAMP__HANDLE_CLIENT,
  OPAMP__HANDLE_OPTIONS,
  OPAMP__HANDLE_EVENT,
  OPAMP__HANDLE_CONFIGDIR,
  OPAMP__HANDLE_KINDS
} opamp__handle_kind;

typedef struct opamp__handle {
  atomic_uint number;
} opamp__handle;

void opamp__handle_begin(opamp__handle *h, opamp__handle_kind kind);
/* It is freed, as far as the application can see. */
void opamp__handle_end(opamp__handle *h);
bool opamp__handle_ended(const opamp__handle *h);

/* Whether `handle` is one of `kind` that lives: OPAMP_OK, or OPAMP_ERR_INVALID
 * with a text that begins with `function`, the public one. */
opamp_status opamp__handle_check(const void *handle, opamp__handle_kind kind,
                                 const char *function);

/* Gives back `size` bytes of memory, later in a build without NDEBUG. Until
 * then the first `readable` of them may be read, which is for checks only. */
void opamp__bury(void *memory, size_t size, size_t readable);

/* Ends a handle and gives back its memory. */
void opamp__handle_free(opamp__handle *h, size_t size);

#endif
