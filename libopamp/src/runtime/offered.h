/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_OFFERED_H
#define OPAMP_RUNTIME_OFFERED_H

#include "runtime/snapshot.h"
#include "transport/transport.h"

/* Connection settings that the server offered, laid over the options, as a
 * transport wants them. */
typedef struct opamp__offered {
  bool tls_offered; /* tls is theirs; NULL: made when there is a need for it */
  opamp__tls *tls;
  bool headers_offered;
  opamp__headers headers;
  bool proxy_offered; /* proxy.address is NULL: none is to be used */
  opamp__proxy proxy;
} opamp__offered;

/* Everything in `m` (an OpAMPConnectionSettings) that can be checked without a
 * network is; the text of an error names the field. */
opamp_status opamp__offered_new(opamp__offered **out, opamp__snapshot *s,
                                const opamp_msg *m);
void opamp__offered_free(opamp__offered *o);

/* Changes what the options say into what was offered. NULL: nothing was. */
void opamp__offered_apply(const opamp__offered *o, opamp__endpoint *ep);

#endif
