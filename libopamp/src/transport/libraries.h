/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_LIBRARIES_H
#define OPAMP_TRANSPORT_LIBRARIES_H

/* What libwebsockets and curl do with the whole process, one thread of ours at a
 * time: contexts of libwebsockets share counters that nothing guards, and both
 * open descriptors of which they do not tell, so that these are looked for. A
 * fork waits for it: the child finds it free, and nothing half done. */
void opamp__libraries_lock(void);
void opamp__libraries_unlock(void);

#endif
