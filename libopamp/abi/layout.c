/* SPDX-License-Identifier: Apache-2.0 */
/* The public structs, pinned. A line that has to change here changes the ABI:
 * opamp_str and opamp_bytes never do, opamp_callbacks grows at its end only. */
#include <stddef.h>

#include "opamp/opamp.h"

#define PIN(struct_name, member, words)                                     \
  _Static_assert(offsetof(struct_name, member) == (words) * sizeof(void *), \
                 #struct_name "." #member " has moved")

_Static_assert(sizeof(size_t) == sizeof(void *), "spans are two words");
_Static_assert(sizeof(opamp_status) == 4, "opamp_status is an int of 32 bits");
_Static_assert(OPAMP_UID_LEN == 16, "a uid is a UUID");

_Static_assert(sizeof(opamp_str) == 2 * sizeof(void *), "opamp_str is frozen");
PIN(opamp_str, ptr, 0);
PIN(opamp_str, len, 1);

_Static_assert(sizeof(opamp_bytes) == 2 * sizeof(void *),
               "opamp_bytes is frozen");
PIN(opamp_bytes, ptr, 0);
PIN(opamp_bytes, len, 1);

_Static_assert(sizeof(opamp_callbacks) == 17 * sizeof(void *),
               "opamp_callbacks has grown: pin the new members too");
PIN(opamp_callbacks, struct_size, 0);
PIN(opamp_callbacks, on_connected, 1);
PIN(opamp_callbacks, on_connect_failed, 2);
PIN(opamp_callbacks, on_disconnected, 3);
PIN(opamp_callbacks, on_stopped, 4);
PIN(opamp_callbacks, on_remote_config, 5);
PIN(opamp_callbacks, on_connection_settings, 6);
PIN(opamp_callbacks, on_packages, 7);
PIN(opamp_callbacks, on_command, 8);
PIN(opamp_callbacks, on_custom_message, 9);
PIN(opamp_callbacks, on_identity, 10);
PIN(opamp_callbacks, on_server_error, 11);
PIN(opamp_callbacks, on_credentials_wanted, 12);
PIN(opamp_callbacks, on_effective_config_wanted, 13);
PIN(opamp_callbacks, on_delivered, 14);
PIN(opamp_callbacks, on_log, 15);
PIN(opamp_callbacks, on_other, 16);
