/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core.h"

/* In Lua a field has the name the schema gives it, but for these: what is said
 * by the message it is in, or by the unit it has in Lua, is left out. */
static const struct named {
  int type, field, form;
  const char *name;
} renamed[] = {
    {OPAMP_MSG_AGENT_DESCRIPTION,
     OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES, FIELD_PLAIN,
     "identifying"},
    {OPAMP_MSG_AGENT_DESCRIPTION,
     OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES, FIELD_PLAIN,
     "non_identifying"},
    {OPAMP_MSG_COMPONENT_HEALTH, OPAMP_COMPONENT_HEALTH_START_TIME_UNIX_NANO,
     FIELD_NANOSECONDS, "start_time"},
    {OPAMP_MSG_COMPONENT_HEALTH, OPAMP_COMPONENT_HEALTH_STATUS_TIME_UNIX_NANO,
     FIELD_NANOSECONDS, "status_time"},
    {OPAMP_MSG_COMPONENT_HEALTH, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP,
     FIELD_PLAIN, "components"},
    {OPAMP_MSG_COMPONENT_DETAILS, OPAMP_COMPONENT_DETAILS_SUB_COMPONENT_MAP,
     FIELD_PLAIN, "components"},
    {OPAMP_MSG_AGENT_REMOTE_CONFIG, OPAMP_AGENT_REMOTE_CONFIG_CONFIG,
     FIELD_PLAIN, "files"},
    {OPAMP_MSG_AGENT_REMOTE_CONFIG, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH,
     FIELD_PLAIN, "hash"},
    {OPAMP_MSG_REMOTE_CONFIG_STATUS,
     OPAMP_REMOTE_CONFIG_STATUS_LAST_REMOTE_CONFIG_HASH, FIELD_PLAIN, "hash"},
    {OPAMP_MSG_CONNECTION_SETTINGS_STATUS,
     OPAMP_CONNECTION_SETTINGS_STATUS_LAST_CONNECTION_SETTINGS_HASH,
     FIELD_PLAIN, "hash"},
    {OPAMP_MSG_SERVER_ERROR_RESPONSE, OPAMP_SERVER_ERROR_RESPONSE_RETRY_INFO,
     FIELD_PLAIN, "retry_after"},
    {OPAMP_MSG_RETRY_INFO, OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS,
     FIELD_NANOSECONDS, "retry_after"},
    {OPAMP_MSG_HEADER, OPAMP_HEADER_KEY, FIELD_PLAIN, "name"},
    {OPAMP_MSG_AGENT_TO_SERVER, OPAMP_AGENT_TO_SERVER_CAPABILITIES,
     FIELD_AGENT_CAPABILITIES, "capabilities"},
    {OPAMP_MSG_SERVER_TO_AGENT, OPAMP_SERVER_TO_AGENT_CAPABILITIES,
     FIELD_SERVER_CAPABILITIES, "capabilities"},
};

static const struct named *find(int type, int field) {
  for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
    if (renamed[i].type == type && renamed[i].field == field)
      return &renamed[i];
  return NULL;
}

const char *schema_name(int type, int field) {
  const struct named *n = find(type, field);
  return n != NULL ? n->name : opamp_msg_field_name(type, field);
}

int schema_form(int type, int field) {
  const struct named *n = find(type, field);
  return n != NULL ? n->form : FIELD_PLAIN;
}

int schema_field(int type, const char *name) {
  int field;
  for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
    if (renamed[i].type == type && strcmp(renamed[i].name, name) == 0)
      return renamed[i].field;
  field = opamp_msg_field_by_name(type, name);
  return find(type, field) == NULL ? field : 0;
}

/* Listed, and not found by counting: a message of a newer protocol may have more
 * fields, and what these are in Lua must not change then. */
int schema_wrapped(int type) {
  switch (type) {
    case OPAMP_MSG_AGENT_CONFIG_MAP:
      return OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
    case OPAMP_MSG_EFFECTIVE_CONFIG:
      return OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP;
    case OPAMP_MSG_HEADERS:
      return OPAMP_HEADERS_HEADERS;
    case OPAMP_MSG_CUSTOM_CAPABILITIES:
      return OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES;
    case OPAMP_MSG_RETRY_INFO:
      return OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS;
    case OPAMP_MSG_SERVER_TO_AGENT_COMMAND:
      return OPAMP_SERVER_TO_AGENT_COMMAND_TYPE;
    case OPAMP_MSG_AGENT_IDENTIFICATION:
      return OPAMP_AGENT_IDENTIFICATION_NEW_INSTANCE_UID;
    case OPAMP_MSG_CONNECTION_SETTINGS_REQUEST:
      return OPAMP_CONNECTION_SETTINGS_REQUEST_OPAMP;
    case OPAMP_MSG_OPAMP_CONNECTION_SETTINGS_REQUEST:
      return OPAMP_OPAMP_CONNECTION_SETTINGS_REQUEST_CERTIFICATE_REQUEST;
    case OPAMP_MSG_CERTIFICATE_REQUEST:
      return OPAMP_CERTIFICATE_REQUEST_CSR;
    default:
      return 0;
  }
}
