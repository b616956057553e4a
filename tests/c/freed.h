/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_FREED_H
#define OPAMP_TESTS_FREED_H

#include <stddef.h>

/* What memory held when the library freed it. freed.c is linked in the place of
 * the functions of base/mem.h (--wrap): new memory is zero, so that nothing is
 * found that was never written, and realloc always moves, as the real one may.
 */

/* From now on freed memory is searched for this text, which must outlive it. */
void freed_watch(const char *secret);
/* Since then: how often memory was freed, and how often the text was in it. */
size_t freed_count(void);
size_t freed_leaks(void);

#endif
