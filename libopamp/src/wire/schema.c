/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/schema.h"

#include "wire/wire.h"

/* clang-format off */
const ProtobufCMessageDescriptor *const opamp__types[] = {
  &opamp__proto__v1__agent_to_server__descriptor,
  &opamp__proto__v1__server_to_agent__descriptor,
  &opamp__proto__v1__agent_disconnect__descriptor,
  &opamp__proto__v1__connection_settings_request__descriptor,
  &opamp__proto__v1__op_ampconnection_settings_request__descriptor,
  &opamp__proto__v1__certificate_request__descriptor,
  &opamp__proto__v1__available_components__descriptor,
  &opamp__proto__v1__component_details__descriptor,
  &opamp__proto__v1__op_ampconnection_settings__descriptor,
  &opamp__proto__v1__telemetry_connection_settings__descriptor,
  &opamp__proto__v1__other_connection_settings__descriptor,
  &opamp__proto__v1__tlsconnection_settings__descriptor,
  &opamp__proto__v1__proxy_connection_settings__descriptor,
  &opamp__proto__v1__headers__descriptor,
  &opamp__proto__v1__header__descriptor,
  &opamp__proto__v1__tlscertificate__descriptor,
  &opamp__proto__v1__connection_settings_offers__descriptor,
  &opamp__proto__v1__packages_available__descriptor,
  &opamp__proto__v1__package_available__descriptor,
  &opamp__proto__v1__downloadable_file__descriptor,
  &opamp__proto__v1__server_error_response__descriptor,
  &opamp__proto__v1__retry_info__descriptor,
  &opamp__proto__v1__server_to_agent_command__descriptor,
  &opamp__proto__v1__agent_description__descriptor,
  &opamp__proto__v1__component_health__descriptor,
  &opamp__proto__v1__effective_config__descriptor,
  &opamp__proto__v1__remote_config_status__descriptor,
  &opamp__proto__v1__connection_settings_status__descriptor,
  &opamp__proto__v1__package_statuses__descriptor,
  &opamp__proto__v1__package_status__descriptor,
  &opamp__proto__v1__package_download_details__descriptor,
  &opamp__proto__v1__agent_identification__descriptor,
  &opamp__proto__v1__agent_remote_config__descriptor,
  &opamp__proto__v1__agent_config_map__descriptor,
  &opamp__proto__v1__agent_config_object__descriptor,
  &opamp__proto__v1__custom_capabilities__descriptor,
  &opamp__proto__v1__custom_message__descriptor,
  &opamp__proto__v1__any_value__descriptor,
  &opamp__proto__v1__array_value__descriptor,
  &opamp__proto__v1__key_value_list__descriptor,
  &opamp__proto__v1__key_value__descriptor,
};

const ProtobufCEnumDescriptor *const opamp__enums[] = {
  &opamp__proto__v1__agent_to_server_flags__descriptor,
  &opamp__proto__v1__server_to_agent_flags__descriptor,
  &opamp__proto__v1__server_capabilities__descriptor,
  &opamp__proto__v1__package_type__descriptor,
  &opamp__proto__v1__server_error_response_type__descriptor,
  &opamp__proto__v1__command_type__descriptor,
  &opamp__proto__v1__agent_capabilities__descriptor,
  &opamp__proto__v1__connection_settings_statuses__descriptor,
  &opamp__proto__v1__remote_config_statuses__descriptor,
  &opamp__proto__v1__package_status_enum__descriptor,
};
/* clang-format on */

const int opamp__type_count = sizeof opamp__types / sizeof *opamp__types;
const int opamp__enum_count = sizeof opamp__enums / sizeof *opamp__enums;

const ProtobufCMessageDescriptor *opamp__type_desc(int type) {
  if (type < 1 || type > opamp__type_count) return NULL;
  return opamp__types[type - 1];
}

int opamp__type_of(const ProtobufCMessageDescriptor *d) {
  for (int i = 0; i < opamp__type_count; i++)
    if (opamp__types[i] == d) return i + 1;
  return 0;
}

const char *opamp__protobuf_version(void) {
  return protobuf_c_version();
}
