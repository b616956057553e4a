/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_MSG_JSON_H
#define OPAMP_TOOLS_MSG_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "opamp/message.h"

/* Messages as JSON, both ways, for every type, by introspection.
 *
 *   a message         an object with the schema's field names; absent fields
 *                     are left out (a number that is 0, a text that is empty
 *                     and an enumeration at its first value are absent, in a
 *                     oneof they are not)
 *   repeated field    an array; a map is an object
 *   64-bit integer    a number; above 2^63-1 a real one
 *   double            a number, or "NaN", "Infinity", "-Infinity"
 *   enumeration       the short name, or the number of a value without one
 *   instance uid      canonical UUID text; {"bytes": base64} when it is not 16
 *                     bytes long
 *   …hash             lower-case hex
 *   other bytes       base64
 *   capabilities      a list of short names; a bit without one as "0x10000"
 *
 * The reader is strict: an unknown key, a wrong type, a bad base64, hex or
 * UUID is refused with its path ("remote_config.config_hash: not hex"). */

/* A new reference, or NULL when memory ran out. */
json_t *tool_msg_to_json(const opamp_msg *m);

/* Makes a message of type OPAMP_MSG_…; *out is the caller's to free. On
 * failure *out is NULL and `err` says where and what. */
opamp_status tool_msg_from_json(opamp_msg **out, int type, const json_t *j,
                                char *err, size_t errlen);

/* Configuration objects in the form for people:
 * {name: {body (text) | body_base64, content_type, role}}, added to `map`, an
 * AgentConfigMap. */
opamp_status tool_files_from_json(opamp_msg *map, const json_t *files,
                                  char *err, size_t errlen);

/* Connection settings in the form for people, added to `offers`, a
 * ConnectionSettingsOffers: as above, but
 *
 *   headers           {name: value}, {name: [value, value]}
 *   cert, private_key, ca_cert: PEM as it is, a text. Beside them and
 *                     ca_pem_contents: the same with _file at the end, the name
 *                     of a file with it
 *
 * An error never holds a value. */
opamp_status tool_settings_from_json(opamp_msg *offers, const json_t *parts,
                                     char *err, size_t errlen);

/* The names of the bits that are set; a new reference, or NULL. */
json_t *tool_agent_capabilities_to_json(uint64_t bits);
json_t *tool_server_capabilities_to_json(uint64_t bits);

/* And back, from the list under `key`; false with `err`. */
bool tool_agent_capabilities_from_json(uint64_t *out, const json_t *list,
                                       char *err, size_t errlen);

#endif
