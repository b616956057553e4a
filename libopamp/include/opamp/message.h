/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_MESSAGE_H
#define OPAMP_MESSAGE_H

#include "opamp/fields.h"
#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * Any message of the protocol, read and written by protobuf field number.
 *
 * fields.h has an enumerator for every message type (OPAMP_MSG_…), field
 * (OPAMP_<MESSAGE>_<FIELD>) and enumeration value. A field that a newer
 * protocol adds needs no new function, and one this library does not know
 * survives from parse to pack.
 *
 * **Ownership:** opamp_msg_new(), opamp_msg_parse() and opamp_msg_dup() give a
 * message that the caller frees with opamp_msg_free(). Sub-messages are part of
 * their root: they are borrowed, live as long as it does and are never freed
 * alone. Setters copy.
 *
 * **Threads:** a message may be used by one thread at a time; one that nobody
 * changes may be read by many. All functions may be called in any callback.
 *
 * **Getters never fail:** a NULL message, an absent field, an index out of range
 * or a field of another kind reads as zero, empty or NULL, so that they can be
 * chained without checks. A setter that fails leaves the message as it was. */

#ifdef __cplusplus
extern "C" {
#endif

/** The kind of a field's value, and which functions read it. */
enum {
  OPAMP_KIND_U64 = 1,   /**< opamp_msg_u64() */
  OPAMP_KIND_I64 = 2,   /**< opamp_msg_i64() */
  OPAMP_KIND_F64 = 3,   /**< opamp_msg_f64() */
  OPAMP_KIND_BOOL = 4,  /**< opamp_msg_bool() */
  OPAMP_KIND_STR = 5,   /**< opamp_msg_str() */
  OPAMP_KIND_BYTES = 6, /**< opamp_msg_bytes() */
  OPAMP_KIND_MSG = 7,   /**< opamp_msg_sub() */
  OPAMP_KIND_ENUM = 8   /**< opamp_msg_u64() */
};

/** How a field holds its values, as bits. */
enum {
  OPAMP_FIELD_REPEATED = 1, /**< a list */
  OPAMP_FIELD_MAP = 2,      /**< keyed by text; REPEATED is set too */
  OPAMP_FIELD_ONEOF = 4     /**< setting it clears the others of its group */
};

/** @name Life
 * @{ */

/** An empty message of `type`, OPAMP_MSG_….
 * @retval OPAMP_ERR_INVALID  there is no such type
 * @retval OPAMP_ERR_NOMEM
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_msg_new(opamp_msg **out, int type);

/** Reads `wire`, which is copied. Bounded in depth, number of fields, unknown
 * fields, repeated singular sub-messages and memory, whatever the bytes say.
 * @retval OPAMP_ERR_INVALID  there is no such type
 * @retval OPAMP_ERR_DECODE   the bytes are no message of this type
 * @retval OPAMP_ERR_LIMIT    one of the bounds but that of depth
 * @retval OPAMP_ERR_UTF8     a string that is not UTF-8, or holds a NUL
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_msg_parse(opamp_msg **out, int type,
                                       opamp_bytes wire);

/** A deep copy of `m`, root or sub-message, as a root of its own.
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_dup(opamp_msg **out, const opamp_msg *m);

/** Frees a root and all below it. NULL is fine; for a sub-message it does
 * nothing.
 * @threads any, one at a time; callbacks too */
OPAMP_API void opamp_msg_free(opamp_msg *m);

/** Writes the protobuf encoding to `buf`. `*len` is the room on entry and the
 * size on return; buf == NULL, *len == 0 asks for the size. A NULL message is
 * an empty one.
 * @retval OPAMP_ERR_SPACE    nothing was written, `*len` is what it takes
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep, which no receiver would
 *                            take
 * @retval OPAMP_ERR_INVALID  it was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_pack(const opamp_msg *m, uint8_t *buf,
                                      size_t *len);

/** @}
 * @name Reading
 * `i` is 0 for a field that is not repeated.
 * @{ */

/** The OPAMP_MSG_… number of a message's type.
 * @threads any, one at a time; callbacks too */
OPAMP_API int opamp_msg_type(const opamp_msg *m);

/** How many values a field has: 0 for an absent one; a scalar that is not in a
 * oneof counts as present when it is not zero or empty.
 * @threads any, one at a time; callbacks too */
OPAMP_API size_t opamp_msg_count(const opamp_msg *m, int field);

/** The i-th value of a field of unsigned numbers or of an enumeration.
 * @threads any, one at a time; callbacks too */
OPAMP_API uint64_t opamp_msg_u64(const opamp_msg *m, int field, size_t i);

/** The i-th value of a field of signed numbers.
 * @threads any, one at a time; callbacks too */
OPAMP_API int64_t opamp_msg_i64(const opamp_msg *m, int field, size_t i);

/** The i-th value of a field of floating-point numbers.
 * @threads any, one at a time; callbacks too */
OPAMP_API double opamp_msg_f64(const opamp_msg *m, int field, size_t i);

/** The i-th value of a field of truth values.
 * @threads any, one at a time; callbacks too */
OPAMP_API bool opamp_msg_bool(const opamp_msg *m, int field, size_t i);

/** The i-th value of a field of texts, or of a map of texts; borrowed.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_str opamp_msg_str(const opamp_msg *m, int field, size_t i);

/** The i-th value of a field of bytes; borrowed.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_bytes opamp_msg_bytes(const opamp_msg *m, int field, size_t i);

/** The i-th sub-message; for a map field the i-th value. Borrowed.
 * @threads any, one at a time; callbacks too */
OPAMP_API const opamp_msg *opamp_msg_sub(const opamp_msg *m, int field,
                                         size_t i);

/** The i-th key of a map, borrowed. Entries are in the order of their keys, each
 * key once.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_str opamp_msg_key(const opamp_msg *m, int field, size_t i);

/** The message at a key of a map, borrowed; found by bisection. An entry without
 * a value reads as an empty one.
 * @threads any, one at a time; callbacks too */
OPAMP_API const opamp_msg *opamp_msg_find(const opamp_msg *m, int field,
                                          opamp_str key);

/** The text at a key of a map of texts, borrowed; found by bisection.
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_str opamp_msg_find_str(const opamp_msg *m, int field,
                                       opamp_str key);

/** @}
 * @name Writing
 * Sets a singular field; appends to a repeated one.
 * @{ */

/** Sets an unsigned number or an enumeration.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_INVALID  an enumeration's value beyond 32 bits; `m` is NULL
 *                            or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_u64(opamp_msg *m, int field, uint64_t v);

/** Sets a signed number.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_i64(opamp_msg *m, int field, int64_t v);

/** Sets a floating-point number.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_f64(opamp_msg *m, int field, double v);

/** Sets a truth value.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_bool(opamp_msg *m, int field, bool v);

/** Sets a text, which is copied.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_UTF8     it is not UTF-8, or holds a NUL
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_str(opamp_msg *m, int field, opamp_str v);

/** Sets bytes, which are copied.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_set_bytes(opamp_msg *m, int field,
                                           opamp_bytes v);

/** The sub-message of a singular field, made when absent; a new one at the end
 * of a repeated field. `*child` is borrowed, NULL after a failure.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_add(opamp_msg **child, opamp_msg *m,
                                     int field);

/** The message at `key` in a map, made when absent. `*child` is borrowed, NULL
 * after a failure.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_UTF8     the key is not UTF-8, or holds a NUL
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_put(opamp_msg **child, opamp_msg *m, int field,
                                     opamp_str key);

/** Sets the text at `key` in a map of texts.
 * @retval OPAMP_ERR_TYPE     this message has no such field, or of another kind
 * @retval OPAMP_ERR_UTF8     key or value is not UTF-8, or holds a NUL
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_put_str(opamp_msg *m, int field, opamp_str key,
                                         opamp_str value);

/** Removes all values of a field.
 * @retval OPAMP_ERR_TYPE     this message has no such field
 * @retval OPAMP_ERR_INVALID  `m` is NULL or was freed
 * @threads any, one at a time; callbacks too */
OPAMP_API opamp_status opamp_msg_clear(opamp_msg *m, int field);

/** @}
 * @name Introspection
 * For bindings and tools. All texts are static.
 * @{ */

/** The schema's name of a type, "AgentToServer"; NULL for none. Types are
 * numbered from 1 without a gap.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_msg_type_name(int type);

/** The type of that name, 0 for none.
 * @threads any; callbacks too */
OPAMP_API int opamp_msg_type_by_name(const char *name);

/** The number of fields of a type.
 * @threads any; callbacks too */
OPAMP_API size_t opamp_msg_field_count(int type);

/** The field number of the i-th field of a type; 0 for none.
 * @threads any; callbacks too */
OPAMP_API int opamp_msg_field_at(int type, size_t i);

/** The field number of the field with the schema's name `name`; 0 for none.
 * @threads any; callbacks too */
OPAMP_API int opamp_msg_field_by_name(int type, const char *name);

/** The schema's name of a field; NULL for none.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_msg_field_name(int type, int field);

/** Its OPAMP_KIND_…, for a map that of its values; 0 for none.
 * @threads any; callbacks too */
OPAMP_API int opamp_msg_field_kind(int type, int field);

/** Its OPAMP_FIELD_… bits.
 * @threads any; callbacks too */
OPAMP_API unsigned opamp_msg_field_flags(int type, int field);

/** The type of its sub-messages, for a map that of its values; 0 for none.
 * @threads any; callbacks too */
OPAMP_API int opamp_msg_field_type(int type, int field);

/** The short name of an enumeration field's value, "APPLIED"; NULL for a value
 * without one.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_msg_enum_name(int type, int field, uint64_t value);

/** The value of that short name, in `*out`; false when there is none.
 * @threads any; callbacks too */
OPAMP_API bool opamp_msg_enum_value(int type, int field, const char *name,
                                    uint64_t *out);

/** The short name of one capability bit of an agent, "ReportsStatus"; NULL for a
 * bit without one.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_agent_capability_name(uint64_t bit);

/** The bit of that name, 0 for none.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_agent_capability_by_name(const char *name);

/** The short name of one capability bit of a server; NULL for a bit without one.
 * @threads any; callbacks too */
OPAMP_API const char *opamp_server_capability_name(uint64_t bit);

/** The bit of that name, 0 for none.
 * @threads any; callbacks too */
OPAMP_API uint64_t opamp_server_capability_by_name(const char *name);

/** @} */

#ifdef __cplusplus
}
#endif
#endif
