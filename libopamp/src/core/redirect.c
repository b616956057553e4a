/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "core/state.h"

/* Which redirects are followed, and why others are not (HTTP-9). */

bool opamp__redirect_is(int status) {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

/* One that holds until further notice; of a chain, each must be. */
static bool is_permanent(int status) {
  return status == 301 || status == 308;
}

bool opamp__redirect_take(opamp__core *c, const opamp__in_closed *why,
                          opamp__in_closed *refused) {
  opamp__url next;
  *refused = *why;
  refused->why = OPAMP_ERR_REDIRECT;
  if (why->location.len == 0) {
    refused->text = OPAMP__LIT("redirect without a Location");
  } else if (c->redirects >= opamp__opt(c, OPAMP_OPT_MAX_REDIRECTS)) {
    refused->text = OPAMP__LIT("too many redirects");
  } else if (opamp__url_resolve(&next, opamp__session_url(c), why->location) !=
             OPAMP_OK) {
    refused->text = OPAMP__LIT("redirect to an address that is not usable");
  } else if (opamp__session_url(c)->tls && !next.tls) {
    refused->text = OPAMP__LIT("redirect from TLS to plain text");
    opamp__url_free(&next);
  } else if (next.websocket != c->duplex) {
    refused->text = OPAMP__LIT("redirect to another kind of transport");
    opamp__url_free(&next);
  } else {
    opamp__emit_log(c, OPAMP_LOG_INFO, "redirected (%d) to %s",
                    why->http_status, next.text);
    /* The URL in an OPEN action is borrowed until the next feed, so the old
     * target may go now. */
    opamp__url_free(&c->target);
    c->target = next;
    c->target_permanent = is_permanent(why->http_status) &&
                          (c->redirects == 0 || c->target_permanent);
    c->redirects++;
    return true;
  }
  return false;
}
