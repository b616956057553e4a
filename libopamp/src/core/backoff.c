/* SPDX-License-Identifier: Apache-2.0 */
#include "core/state.h"

/* How long to wait before the next attempt. */

uint64_t opamp__random_below(opamp__core *c, uint64_t n) {
  const opamp__core_env *env = &c->config->env;
  return n == 0 ? 0 : env->random(env->ctx) % (n + 1);
}

static uint64_t grow(uint64_t first, uint64_t percent, uint64_t max,
                     uint32_t times) {
  uint64_t v = first;
  while (times-- > 0 && v < max)
    v = v * percent / 100 > v ? v * percent / 100 : v + 1;
  return opamp__min64(v, max);
}

/* Between half and one and a half of the exponential delay, so that a fleet
 * spreads out, and never outside the bounds (CONN-3). */
uint64_t opamp__backoff(opamp__core *c, uint32_t failures) {
  uint64_t min = opamp__opt(c, OPAMP_OPT_BACKOFF_MIN);
  uint64_t max = opamp__max64(min, opamp__opt(c, OPAMP_OPT_BACKOFF_MAX));
  uint64_t base = grow(min, opamp__opt(c, OPAMP_OPT_BACKOFF_PERCENT), max,
                       failures == 0 ? 0 : failures - 1);
  uint64_t low = opamp__max64(min, base / 2);
  uint64_t high = opamp__min64(max, base + base / 2);
  return low + opamp__random_below(c, high - low);
}

uint64_t opamp__backoff_asked(opamp__core *c, uint64_t ms) {
  uint64_t max = opamp__opt(c, OPAMP_OPT_RETRY_AFTER_MAX);
  ms = opamp__min64(ms, max);
  return opamp__min64(ms + opamp__random_below(c, ms / 10), max);
}

/* 429 and 503: what Retry-After says, else a wait that doubles (HTTP-6). */
static uint64_t throttled(opamp__core *c, int64_t retry_after_ms) {
  uint64_t first = opamp__opt(c, OPAMP_OPT_THROTTLE_WAIT);
  if (retry_after_ms > 0)
    return opamp__backoff_asked(c, (uint64_t)retry_after_ms);
  /* A date that has passed asks for no delay; a server that is too busy gets
   * the ordinary backoff all the same. */
  if (retry_after_ms == 0) return opamp__backoff(c, c->failures);
  return opamp__backoff_asked(
      c, grow(first, 200, opamp__opt(c, OPAMP_OPT_RETRY_AFTER_MAX),
              c->throttles++));
}

/* WIRE-4: what the server sends is not to be had again at once. */
static bool is_malformed(opamp_status why) {
  return why == OPAMP_ERR_FRAME || why == OPAMP_ERR_TEXT_FRAME ||
         why == OPAMP_ERR_LIMIT;
}

/* The delay after a connection or a request ended (CONN-4, CONN-5, CONN-15,
 * HTTP-7). `useful`: it had done its work until then. */
uint64_t opamp__backoff_closed(opamp__core *c, const opamp__in_closed *why,
                               bool useful) {
  switch (why->http_status) {
    case 429:
    case 503:
      return throttled(c, why->retry_after_ms);
    case 400:
    case 404:
      return opamp__opt(c, OPAMP_OPT_BACKOFF_MAX);
    default:
      break;
  }
  switch (why->close_code) {
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return opamp__backoff(c, c->failures);
    default:
      if (why->close_code == 1008 || why->close_code >= 4000)
        return opamp__opt(c, OPAMP_OPT_BACKOFF_MAX);
  }
  if (useful && c->duplex && !is_malformed(why->why))
    return opamp__random_below(c, opamp__opt(c, OPAMP_OPT_RECONNECT_DELAY));
  return opamp__backoff(c, c->failures);
}
