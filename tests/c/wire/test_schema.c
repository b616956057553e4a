/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "gen.h"

TEST(types_are_numbered_without_a_gap) {
  int n = 0;
  while (opamp_msg_type_name(n + 1) != NULL) n++;
  CHECK(n >= 41);
  for (int type = 1; type <= n; type++)
    CHECK_EQ(opamp_msg_type_by_name(opamp_msg_type_name(type)), type);
  CHECK_STR(opamp_msg_type_name(OPAMP_MSG_AGENT_TO_SERVER), "AgentToServer");
  CHECK_STR(opamp_msg_type_name(OPAMP_MSG_KEY_VALUE), "KeyValue");
  CHECK(opamp_msg_type_name(0) == NULL);
  CHECK(opamp_msg_type_name(-1) == NULL);
  CHECK(opamp_msg_type_name(INT_MAX) == NULL);
  CHECK_EQ(opamp_msg_type_by_name("ComponentsEntry"), 0);
  CHECK_EQ(opamp_msg_type_by_name(""), 0);
}

/* What wire/ can hold: a list is of messages or texts, a map's value is one of
 * them, every kind is known, and every sub-message is a type. */
TEST(the_schema_has_no_other_shape) {
  for (int type = 1; opamp_msg_type_name(type) != NULL; type++) {
    CHECK(opamp_msg_field_count(type) <= 64);
    for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
      int field = opamp_msg_field_at(type, i);
      int kind = opamp_msg_field_kind(type, field);
      unsigned flags = opamp_msg_field_flags(type, field);
      const char *name = opamp_msg_field_name(type, field);
      CHECK(kind != 0 && name != NULL);
      CHECK_EQ(opamp_msg_field_by_name(type, name), field);
      CHECK((kind == OPAMP_KIND_MSG) ==
            (opamp_msg_field_type(type, field) != 0));
      if (flags & OPAMP_FIELD_MAP) CHECK(flags & OPAMP_FIELD_REPEATED);
      if (flags & OPAMP_FIELD_REPEATED)
        CHECK(kind == OPAMP_KIND_MSG || kind == OPAMP_KIND_STR);
    }
  }
}

TEST(fields_of_different_shapes) {
  int health = OPAMP_MSG_COMPONENT_HEALTH, other;
  CHECK_EQ(
      opamp_msg_field_kind(health, OPAMP_COMPONENT_HEALTH_START_TIME_UNIX_NANO),
      OPAMP_KIND_U64);
  CHECK_EQ(opamp_msg_field_flags(health,
                                 OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP),
           OPAMP_FIELD_REPEATED | OPAMP_FIELD_MAP);
  CHECK_EQ(
      opamp_msg_field_type(health, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP),
      health);
  CHECK_EQ(opamp_msg_field_flags(health, OPAMP_COMPONENT_HEALTH_ATTRIBUTES),
           OPAMP_FIELD_REPEATED);
  other = OPAMP_MSG_OTHER_CONNECTION_SETTINGS;
  CHECK_EQ(opamp_msg_field_kind(other,
                                OPAMP_OTHER_CONNECTION_SETTINGS_OTHER_SETTINGS),
           OPAMP_KIND_STR);
  CHECK_EQ(
      opamp_msg_field_flags(OPAMP_MSG_ANY_VALUE, OPAMP_ANY_VALUE_BYTES_VALUE),
      OPAMP_FIELD_ONEOF);
  /* Headers looks like a map entry and is none. */
  CHECK_EQ(opamp_msg_field_flags(OPAMP_MSG_HEADERS, OPAMP_HEADERS_HEADERS),
           OPAMP_FIELD_REPEATED);
}

TEST(what_is_not_there) {
  CHECK_EQ(opamp_msg_field_count(0), 0);
  CHECK_EQ(opamp_msg_field_count(OPAMP_MSG_AGENT_DISCONNECT), 0);
  CHECK_EQ(opamp_msg_field_at(1, 99), 0);
  CHECK_EQ(opamp_msg_field_by_name(1, "no_such"), 0);
  CHECK(opamp_msg_field_name(1, 99) == NULL);
  CHECK(opamp_msg_field_name(1, -1) == NULL);
  CHECK_EQ(opamp_msg_field_kind(1, 99), 0);
  CHECK_EQ(opamp_msg_field_flags(99, 1), 0);
  CHECK_EQ(opamp_msg_field_type(1, 99), 0);
}

TEST(enumeration_values_have_short_names) {
  int type = OPAMP_MSG_REMOTE_CONFIG_STATUS;
  int field = OPAMP_REMOTE_CONFIG_STATUS_STATUS;
  uint64_t v = 99;
  CHECK_STR(opamp_msg_enum_name(type, field, 1), "APPLIED");
  CHECK_STR(opamp_msg_enum_name(type, field, 0), "UNSET");
  CHECK(opamp_msg_enum_name(type, field, 4) == NULL);
  CHECK(opamp_msg_enum_name(type, field, UINT64_C(1) << 32) == NULL);
  CHECK(opamp_msg_enum_name(type, OPAMP_REMOTE_CONFIG_STATUS_ERROR_MESSAGE,
                            1) == NULL);
  CHECK(opamp_msg_enum_value(type, field, "FAILED", &v));
  CHECK_EQ(v, OPAMP_REMOTE_CONFIG_STATUSES_FAILED);
  CHECK(!opamp_msg_enum_value(type, field, "failed", &v));
}

TEST(capabilities_have_names) {
  for (int bit = 0; bit < 16; bit++) {
    uint64_t value = UINT64_C(1) << bit;
    const char *name = opamp_agent_capability_name(value);
    CHECK(name != NULL);
    CHECK_EQ(opamp_agent_capability_by_name(name), value);
  }
  CHECK_STR(opamp_agent_capability_name(1), "ReportsStatus");
  CHECK_STR(opamp_server_capability_name(2), "OffersRemoteConfig");
  CHECK_EQ(opamp_server_capability_by_name("AcceptsStatus"), 1);
  CHECK(opamp_agent_capability_name(0) == NULL);
  CHECK(opamp_agent_capability_name(3) == NULL);
  CHECK(opamp_agent_capability_name(UINT64_C(1) << 40) == NULL);
  CHECK(opamp_server_capability_name(128) == NULL);
  CHECK_EQ(opamp_agent_capability_by_name("Nothing"), 0);
  CHECK_EQ(opamp_agent_capability_by_name("Unspecified"), 0);
}
