/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TYPED_H
#define OPAMP_TYPED_H

#include <string.h>

#include "opamp/client.h"
#include "opamp/fields.h"
#include "opamp/loop.h"
#include "opamp/message.h"
#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * What makes messages pleasant in C: small functions over the public API, all
 * `static inline`, so that they add nothing to the ABI. Readers give zero,
 * empty or NULL for what is absent, and lend; builders return what the setters
 * of message.h return. */

#ifdef __cplusplus
extern "C" {
#endif

/** Sets of capabilities. */
enum {
  /** What options begin with. opamp_options_set_capabilities() replaces all, so
   * add to it: OPAMP_CAPABILITIES_DEFAULT | OPAMP_AGENT_CAPABILITIES_…. */
  OPAMP_CAPABILITIES_DEFAULT = OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS |
                               OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
                               OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT
};

/** @name Spans
 * @{ */

/** The span of a NUL-terminated text, NULL being absent. */
static inline opamp_str opamp_str_of(const char *z) {
  opamp_str s = {z, z != NULL ? strlen(z) : 0};
  return s;
}

/** The span of any memory. */
static inline opamp_bytes opamp_bytes_of(const void *p, size_t len) {
  opamp_bytes b = {(const uint8_t *)p, len};
  return b;
}

/** A text that the library handed out, for printf and the like: "" when it is
 * absent. Borrowed as the span is. Not for spans of your own making, which need
 * not end with a NUL. */
static inline const char *opamp_str_z(opamp_str s) {
  return s.ptr != NULL ? s.ptr : "";
}

/** The span of a literal: its length is known to the compiler. */
#define OPAMP_STR(literal) opamp_str_of("" literal)

/** Whether two texts have the same bytes. */
static inline bool opamp_str_equal(opamp_str a, opamp_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** Whether two spans have the same bytes. */
static inline bool opamp_bytes_equal(opamp_bytes a, opamp_bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** @}
 * @name Any values and attributes
 * @{ */

/** Makes an AnyValue a text. */
static inline opamp_status opamp_any_set_str(opamp_msg *any, const char *v) {
  return opamp_msg_set_str(any, OPAMP_ANY_VALUE_STRING_VALUE, opamp_str_of(v));
}

/** Makes an AnyValue a whole number. */
static inline opamp_status opamp_any_set_int(opamp_msg *any, int64_t v) {
  return opamp_msg_set_i64(any, OPAMP_ANY_VALUE_INT_VALUE, v);
}

/** Makes an AnyValue a truth value. */
static inline opamp_status opamp_any_set_bool(opamp_msg *any, bool v) {
  return opamp_msg_set_bool(any, OPAMP_ANY_VALUE_BOOL_VALUE, v);
}

/** Makes an AnyValue a floating-point number. */
static inline opamp_status opamp_any_set_double(opamp_msg *any, double v) {
  return opamp_msg_set_f64(any, OPAMP_ANY_VALUE_DOUBLE_VALUE, v);
}

/** The AnyValue of a new attribute `key` in `field`, a list of KeyValue. */
static inline opamp_status opamp_attr_add(opamp_msg **any, opamp_msg *m,
                                          int field, const char *key) {
  opamp_msg *pair;
  opamp_status s = opamp_msg_add(&pair, m, field);
  *any = NULL;
  if (s == OPAMP_OK)
    s = opamp_msg_set_str(pair, OPAMP_KEY_VALUE_KEY, opamp_str_of(key));
  if (s == OPAMP_OK) s = opamp_msg_add(any, pair, OPAMP_KEY_VALUE_VALUE);
  return s;
}

/** Adds an attribute that is a text to `field`, a list of KeyValue. */
static inline opamp_status opamp_attr_str(opamp_msg *m, int field,
                                          const char *key, const char *v) {
  opamp_msg *any;
  opamp_status s = opamp_attr_add(&any, m, field, key);
  return s == OPAMP_OK ? opamp_any_set_str(any, v) : s;
}

/** Adds an attribute that is a whole number to `field`, a list of KeyValue. */
static inline opamp_status opamp_attr_int(opamp_msg *m, int field,
                                          const char *key, int64_t v) {
  opamp_msg *any;
  opamp_status s = opamp_attr_add(&any, m, field, key);
  return s == OPAMP_OK ? opamp_any_set_int(any, v) : s;
}

/** Adds an attribute that is a truth value to `field`, a list of KeyValue. */
static inline opamp_status opamp_attr_bool(opamp_msg *m, int field,
                                           const char *key, bool v) {
  opamp_msg *any;
  opamp_status s = opamp_attr_add(&any, m, field, key);
  return s == OPAMP_OK ? opamp_any_set_bool(any, v) : s;
}

/** Adds an attribute that is a floating-point number to `field`, a list of KeyValue. */
static inline opamp_status opamp_attr_double(opamp_msg *m, int field,
                                             const char *key, double v) {
  opamp_msg *any;
  opamp_status s = opamp_attr_add(&any, m, field, key);
  return s == OPAMP_OK ? opamp_any_set_double(any, v) : s;
}

/** The AnyValue of the first attribute `key` in `field`, NULL when there is
 * none. */
static inline const opamp_msg *opamp_attr_find(const opamp_msg *m, int field,
                                               const char *key) {
  size_t n = opamp_msg_count(m, field);
  for (size_t i = 0; i < n; i++) {
    const opamp_msg *pair = opamp_msg_sub(m, field, i);
    if (opamp_str_equal(opamp_msg_str(pair, OPAMP_KEY_VALUE_KEY, 0),
                        opamp_str_of(key)))
      return opamp_msg_sub(pair, OPAMP_KEY_VALUE_VALUE, 0);
  }
  return NULL;
}

/** @}
 * @name AgentDescription
 * @{ */

/** Adds an identifying attribute to an AgentDescription. */
static inline opamp_status opamp_description_identify(opamp_msg *description,
                                                      const char *key,
                                                      const char *v) {
  return opamp_attr_str(description,
                        OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES, key, v);
}

/** Adds a non-identifying attribute to an AgentDescription. */
static inline opamp_status opamp_description_describe(opamp_msg *description,
                                                      const char *key,
                                                      const char *v) {
  return opamp_attr_str(
      description, OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES, key, v);
}

/** @}
 * @name AgentRemoteConfig
 * @{ */

/** The hash of an offered configuration. */
static inline opamp_bytes opamp_remote_config_hash(const opamp_msg *config) {
  return opamp_msg_bytes(config, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0);
}

/** Its files, an AgentConfigMap. */
static inline const opamp_msg *opamp_remote_config_map(
    const opamp_msg *config) {
  return opamp_msg_sub(config, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
}

/** How many files it has. */
static inline size_t opamp_remote_config_count(const opamp_msg *config) {
  return opamp_msg_count(opamp_remote_config_map(config),
                         OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP);
}

/** The name of the i-th file, in the order of names. */
static inline opamp_str opamp_remote_config_name(const opamp_msg *config,
                                                 size_t i) {
  return opamp_msg_key(opamp_remote_config_map(config),
                       OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, i);
}

/** The i-th file, an AgentConfigObject. */
static inline const opamp_msg *opamp_remote_config_at(const opamp_msg *config,
                                                      size_t i) {
  return opamp_msg_sub(opamp_remote_config_map(config),
                       OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, i);
}

/** The file called `name`, an AgentConfigObject. */
static inline const opamp_msg *opamp_remote_config_find(const opamp_msg *config,
                                                        const char *name) {
  return opamp_msg_find(opamp_remote_config_map(config),
                        OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, opamp_str_of(name));
}

/** The content of an AgentConfigObject. */
static inline opamp_bytes opamp_config_body(const opamp_msg *object) {
  return opamp_msg_bytes(object, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
}

/** Its MIME type. */
static inline opamp_str opamp_config_content_type(const opamp_msg *object) {
  return opamp_msg_str(object, OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE, 0);
}

/** @}
 * @name EffectiveConfig
 * @{ */

/** Sets the file `name` of an effective configuration. `content_type` may be
 * NULL. */
static inline opamp_status opamp_effective_config_put(
    opamp_msg *config, const char *name, opamp_bytes body,
    const char *content_type) {
  opamp_msg *map, *object;
  opamp_status s =
      opamp_msg_add(&map, config, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  if (s == OPAMP_OK)
    s = opamp_msg_put(&object, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                      opamp_str_of(name));
  if (s == OPAMP_OK)
    s = opamp_msg_set_bytes(object, OPAMP_AGENT_CONFIG_OBJECT_BODY, body);
  if (s == OPAMP_OK)
    s = opamp_msg_set_str(object, OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE,
                          opamp_str_of(content_type));
  return s;
}

/** @}
 * @name ComponentHealth
 * @{ */

/** Sets what a health says of itself; `status` and `last_error` may be NULL. */
static inline opamp_status opamp_health_set(opamp_msg *health, bool healthy,
                                            const char *status,
                                            const char *last_error) {
  opamp_status s =
      opamp_msg_set_bool(health, OPAMP_COMPONENT_HEALTH_HEALTHY, healthy);
  if (s == OPAMP_OK)
    s = opamp_msg_set_str(health, OPAMP_COMPONENT_HEALTH_STATUS,
                          opamp_str_of(status));
  if (s == OPAMP_OK)
    s = opamp_msg_set_str(health, OPAMP_COMPONENT_HEALTH_LAST_ERROR,
                          opamp_str_of(last_error));
  return s;
}

/** When it started and when `status` was true, in ns since 1970. */
static inline opamp_status opamp_health_set_times(opamp_msg *health,
                                                  uint64_t start_ns,
                                                  uint64_t status_ns) {
  opamp_status s = opamp_msg_set_u64(
      health, OPAMP_COMPONENT_HEALTH_START_TIME_UNIX_NANO, start_ns);
  if (s == OPAMP_OK)
    s = opamp_msg_set_u64(health, OPAMP_COMPONENT_HEALTH_STATUS_TIME_UNIX_NANO,
                          status_ns);
  return s;
}

/** The health of a part, made when absent. */
static inline opamp_status opamp_health_part(opamp_msg **part,
                                             opamp_msg *health,
                                             const char *name) {
  return opamp_msg_put(part, health,
                       OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP,
                       opamp_str_of(name));
}

/** @}
 * @name What nearly every agent reports
 * @{ */

/** Reports a description with service.name and, unless it is NULL,
 * service.version. For more, fill a message and give it to
 * opamp_client_set_description(). Threads and statuses as there, and
 * OPAMP_ERR_UTF8. */
static inline opamp_status opamp_client_report_service(opamp_client *c,
                                                       const char *name,
                                                       const char *version) {
  opamp_msg *m;
  opamp_status s = opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION);
  if (s == OPAMP_OK) s = opamp_description_identify(m, "service.name", name);
  if (s == OPAMP_OK && version != NULL)
    s = opamp_description_identify(m, "service.version", version);
  if (s == OPAMP_OK) s = opamp_client_set_description(c, m);
  opamp_msg_free(m);
  return s;
}

/** Reports a health without parts; `status` and `last_error` may be NULL. For
 * more there is opamp_client_set_health(). Threads and statuses as there, and
 * OPAMP_ERR_UTF8. */
static inline opamp_status opamp_client_report_health(opamp_client *c,
                                                      bool healthy,
                                                      const char *status,
                                                      const char *last_error) {
  opamp_msg *m;
  opamp_status s = opamp_msg_new(&m, OPAMP_MSG_COMPONENT_HEALTH);
  if (s == OPAMP_OK) s = opamp_health_set(m, healthy, status, last_error);
  if (s == OPAMP_OK) s = opamp_client_set_health(c, m);
  opamp_msg_free(m);
  return s;
}

/** @}
 * @name A client with a loop of its own
 * @{ */

/** opamp_loop_poll() for the loop of a client. */
static inline int opamp_client_poll(opamp_client *c, int timeout_ms) {
  return opamp_loop_poll(opamp_client_loop(c), timeout_ms);
}

/** opamp_loop_fd() for the loop of a client. */
static inline int opamp_client_fd(const opamp_client *c) {
  return opamp_loop_fd(opamp_client_loop(c));
}

/** opamp_loop_timeout_ms() for the loop of a client. */
static inline int opamp_client_timeout_ms(opamp_client *c) {
  return opamp_loop_timeout_ms(opamp_client_loop(c));
}

/** opamp_loop_next_event() for the loop of a client. */
static inline opamp_event *opamp_client_next_event(opamp_client *c) {
  return opamp_loop_next_event(opamp_client_loop(c));
}

/** opamp_loop_wait_event() for the loop of a client. */
static inline opamp_status opamp_client_wait_event(opamp_client *c,
                                                   int timeout_ms,
                                                   opamp_event **out) {
  return opamp_loop_wait_event(opamp_client_loop(c), timeout_ms, out);
}

/** opamp_loop_start_thread() for the loop of a client. */
static inline opamp_status opamp_client_start_thread(opamp_client *c) {
  return opamp_loop_start_thread(opamp_client_loop(c));
}

/** opamp_loop_stop_thread() for the loop of a client. */
static inline opamp_status opamp_client_stop_thread(opamp_client *c) {
  return opamp_loop_stop_thread(opamp_client_loop(c));
}

/** @} */

#ifdef __cplusplus
}
#endif
#endif
