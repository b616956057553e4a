/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_MEM_H
#define OPAMP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* The one door to the heap. There is no public allocator (curl, libwebsockets
 * and OpenSSL could not honour it); tests use opamp__mem_fail_after. */

void *opamp__alloc(size_t n);
void *opamp__calloc(size_t count, size_t size);
void *opamp__realloc(void *p, size_t n);
void opamp__free(void *p);

/* Overwrites n bytes so that the compiler cannot leave it out. */
void opamp__wipe(void *p, size_t n);

/* A NUL-terminated copy of n bytes, NULL when out of memory. */
char *opamp__strndup(const char *s, size_t n);

/* Tests: the n-th allocation of this thread from now on fails (1: the next),
 * and all after it; 0: none. opamp__mem_count: allocations of this thread so
 * far. */
void opamp__mem_fail_after(size_t n);
size_t opamp__mem_count(void);

#endif
