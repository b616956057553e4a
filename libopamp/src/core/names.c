/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/client.h"

/* Names of what the core counts and can be doing. */

const char *opamp_state_name(int state) {
  static const char *const names[] = {"stopped", "connecting", "connected",
                                      "waiting", "stopping"};
  return state < 0 || state > OPAMP_STATE_STOPPING ? NULL : names[state];
}

const char *opamp_counter_name(int counter) {
  static const char *const names[OPAMP_COUNT_END] = {
      "messages_sent", "messages_received", "bytes_sent",  "bytes_received",
      "connects",      "connect_failures",  "disconnects", "heartbeats",
      "bad_messages",  "server_errors",     "parked",      "offers",
      "full_states",   "dropped_events"};
  return counter < 0 || counter >= OPAMP_COUNT_END ? NULL : names[counter];
}
