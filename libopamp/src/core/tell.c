/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "core/state.h"

/* What the application hears of a connection that could not be made, or ended.
 */

enum { SHORT_LIVES = 3 };

/* CONN-14: whoever leaves out the port gets the scheme's, which may be none of
 * the server's. */
static bool hint_port(const opamp__core *c, const opamp__in_closed *why,
                      opamp__buf *text) {
  const opamp__url *url = opamp__session_home(c);
  if (why->why != OPAMP_ERR_TRANSPORT && why->why != OPAMP_ERR_TIMEOUT)
    return true;
  if (url->port != (url->tls ? 443 : 80)) return true;
  return opamp__buf_printf(text,
                           " (%u is the port of a URL that names none; OpAMP "
                           "servers often listen on 4320)",
                           url->port);
}

void opamp__tell_failure(opamp__core *c, const opamp__in_closed *why,
                         bool was_open, uint64_t delay) {
  opamp_event *e = opamp__emit_new(
      c, was_open ? OPAMP_EVENT_DISCONNECTED : OPAMP_EVENT_CONNECT_FAILED);
  opamp__buf text = {NULL, 0, 0};
  c->view.counters[was_open ? OPAMP_COUNT_DISCONNECTS
                            : OPAMP_COUNT_CONNECT_FAILURES]++;
  if (e == NULL) return;
  e->status = why->why;
  if (opamp__buf_append(&text, why->text.ptr, why->text.len) &&
      (why->body.len == 0 ||
       (opamp__buf_append(&text, ": ", 2) &&
        opamp__buf_append(&text, why->body.ptr, why->body.len))) &&
      (was_open || hint_port(c, why, &text))) {
    opamp_str s = {(const char *)text.ptr, text.len};
    (void)opamp__event_set_text(e, s);
  }
  opamp__buf_free(&text);
  opamp__event_set_number(e, OPAMP_NUM_HTTP_STATUS, why->http_status);
  opamp__event_set_number(e, OPAMP_NUM_CLOSE_CODE, why->close_code);
  opamp__event_set_number(e, OPAMP_NUM_RETRY_IN_MS, (int64_t)delay);
  opamp__emit(c, e);
}

/* HTTP-7: each refusal asks for fresh credentials, once. */
void opamp__tell_refused(opamp__core *c, int http_status) {
  opamp_event *e;
  if (!c->credentials_wait) return;
  e = opamp__emit_new(c, OPAMP_EVENT_CREDENTIALS_WANTED);
  if (e != NULL) opamp__event_set_number(e, OPAMP_NUM_HTTP_STATUS, http_status);
  opamp__emit(c, e);
}

/* CONN-15: told once, until a connection is useful again. */
void opamp__tell_short_life(opamp__core *c) {
  if (++c->short_lives < SHORT_LIVES || c->duplicate_told) return;
  c->duplicate_told = true;
  opamp__emit_text(
      c, OPAMP_EVENT_DUPLICATE_SUSPECTED, OPAMP_OK,
      OPAMP__LIT("the server closes every connection right after it was made: "
                 "perhaps another agent has the same instance uid"));
}
