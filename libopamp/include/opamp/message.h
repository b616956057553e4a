/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_MESSAGE_H
#define OPAMP_MESSAGE_H

#include "opamp/fields.h"
#include "opamp/status.h"
#include "opamp/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any message of the protocol, read and written by protobuf field number.
 *
 * fields.h has an enumerator for every message type (OPAMP_MSG_…), field
 * (OPAMP_<MESSAGE>_<FIELD>) and enumeration value. A field that a newer
 * protocol adds needs no new function, and one this library does not know
 * survives from parse to pack.
 *
 * Ownership: opamp_msg_new, _parse and _dup give a message that the caller
 * frees with opamp_msg_free. Sub-messages are part of their root: they are
 * borrowed, live as long as it does and are never freed alone. Setters copy.
 *
 * Threads: a message may be used by one thread at a time; one that nobody
 * changes may be read by many. All functions may be called in any callback.
 *
 * Getters never fail: a NULL message, an absent field, an index out of range
 * or a field of another kind reads as zero, empty or NULL, so that they can be
 * chained without checks. Setters return
 *   OPAMP_ERR_TYPE     this message has no such field, or one of another kind
 *   OPAMP_ERR_UTF8     a string is not UTF-8, or holds a NUL
 *   OPAMP_ERR_INVALID  the message is NULL, or an enumeration's value has more
 *                      than 32 bits
 *   OPAMP_ERR_NOMEM    and leave the message as it was. */

/* The kind of a field's value. */
enum {
  OPAMP_KIND_U64 = 1,
  OPAMP_KIND_I64 = 2,
  OPAMP_KIND_F64 = 3,
  OPAMP_KIND_BOOL = 4,
  OPAMP_KIND_STR = 5,
  OPAMP_KIND_BYTES = 6,
  OPAMP_KIND_MSG = 7,
  OPAMP_KIND_ENUM = 8
};

/* How a field holds its values, as bits. */
enum {
  OPAMP_FIELD_REPEATED = 1, /* a list */
  OPAMP_FIELD_MAP = 2,      /* keyed by text; REPEATED is set too */
  OPAMP_FIELD_ONEOF = 4     /* setting it clears the others of its group */
};

/* --- life ----------------------------------------------------------------- */

/* An empty message of `type`. OPAMP_ERR_INVALID when there is no such type. */
OPAMP_API opamp_status opamp_msg_new(opamp_msg **out, int type);

/* Reads `wire`, which is copied. Bounded in depth, number of fields, unknown
 * fields, repeated singular sub-messages and memory, whatever the bytes say.
 * OPAMP_ERR_INVALID (no such type), _DECODE, _LIMIT, _UTF8, _DEPTH, _NOMEM. */
OPAMP_API opamp_status opamp_msg_parse(opamp_msg **out, int type,
                                       opamp_bytes wire);

/* A deep copy of `m`, root or sub-message, as a root of its own.
 * OPAMP_ERR_INVALID (`m` is NULL), _DEPTH (as opamp_msg_pack), _NOMEM. */
OPAMP_API opamp_status opamp_msg_dup(opamp_msg **out, const opamp_msg *m);

/* Frees a root and all below it. NULL is fine. Never for a sub-message. */
OPAMP_API void opamp_msg_free(opamp_msg *m);

/* Writes the protobuf encoding to `buf`. `*len` is the room on entry and the
 * size on return; with OPAMP_ERR_SPACE nothing is written and `*len` is what
 * it takes (so buf == NULL, *len == 0 asks for the size). OPAMP_ERR_DEPTH when
 * it is nested more than 64 deep, which no receiver would take. A NULL message
 * is an empty one. */
OPAMP_API opamp_status opamp_msg_pack(const opamp_msg *m, uint8_t *buf,
                                      size_t *len);

/* --- reading -------------------------------------------------------------- */

/* The OPAMP_MSG_… number of a message's type. */
OPAMP_API int opamp_msg_type(const opamp_msg *m);

/* How many values a field has: 0 for an absent one; a scalar that is not in a
 * oneof counts as present when it is not zero or empty. */
OPAMP_API size_t opamp_msg_count(const opamp_msg *m, int field);

/* The i-th value of a field; i is 0 for one that is not repeated. _u64 reads
 * enumerations too, and _str the values of a map of strings. */
OPAMP_API uint64_t opamp_msg_u64(const opamp_msg *m, int field, size_t i);
OPAMP_API int64_t opamp_msg_i64(const opamp_msg *m, int field, size_t i);
OPAMP_API double opamp_msg_f64(const opamp_msg *m, int field, size_t i);
OPAMP_API bool opamp_msg_bool(const opamp_msg *m, int field, size_t i);
OPAMP_API opamp_str opamp_msg_str(const opamp_msg *m, int field, size_t i);
OPAMP_API opamp_bytes opamp_msg_bytes(const opamp_msg *m, int field, size_t i);

/* The i-th sub-message; for a map field the i-th value. */
OPAMP_API const opamp_msg *opamp_msg_sub(const opamp_msg *m, int field,
                                         size_t i);

/* Maps: entries are in the order of their keys, each key once. The i-th key;
 * the value of a key as a message, or as text for a map of strings. An entry
 * without a value reads as an empty one. Found by bisection. */
OPAMP_API opamp_str opamp_msg_key(const opamp_msg *m, int field, size_t i);
OPAMP_API const opamp_msg *opamp_msg_find(const opamp_msg *m, int field,
                                          opamp_str key);
OPAMP_API opamp_str opamp_msg_find_str(const opamp_msg *m, int field,
                                       opamp_str key);

/* --- writing -------------------------------------------------------------- */

/* Sets a singular field; appends to a repeated one. _u64 sets enumerations
 * too. */
OPAMP_API opamp_status opamp_msg_set_u64(opamp_msg *m, int field, uint64_t v);
OPAMP_API opamp_status opamp_msg_set_i64(opamp_msg *m, int field, int64_t v);
OPAMP_API opamp_status opamp_msg_set_f64(opamp_msg *m, int field, double v);
OPAMP_API opamp_status opamp_msg_set_bool(opamp_msg *m, int field, bool v);
OPAMP_API opamp_status opamp_msg_set_str(opamp_msg *m, int field, opamp_str v);
OPAMP_API opamp_status opamp_msg_set_bytes(opamp_msg *m, int field,
                                           opamp_bytes v);

/* The sub-message of a singular field, made when absent; a new one at the end
 * of a repeated field. `*child` is borrowed. */
OPAMP_API opamp_status opamp_msg_add(opamp_msg **child, opamp_msg *m,
                                     int field);

/* The value of `key` in a map, made when absent; the text for a map of
 * strings. */
OPAMP_API opamp_status opamp_msg_put(opamp_msg **child, opamp_msg *m, int field,
                                     opamp_str key);
OPAMP_API opamp_status opamp_msg_put_str(opamp_msg *m, int field, opamp_str key,
                                         opamp_str value);

/* Removes all values of a field. */
OPAMP_API opamp_status opamp_msg_clear(opamp_msg *m, int field);

/* --- introspection, for bindings and tools -------------------------------- */

/* The schema's name of a type ("AgentToServer"), NULL for none; and back,
 * 0 for none. Types are numbered from 1 without a gap. */
OPAMP_API const char *opamp_msg_type_name(int type);
OPAMP_API int opamp_msg_type_by_name(const char *name);

/* The number of fields of a type; the field number of the i-th one, or of the
 * one with the schema's name `name`; 0 for none. */
OPAMP_API size_t opamp_msg_field_count(int type);
OPAMP_API int opamp_msg_field_at(int type, size_t i);
OPAMP_API int opamp_msg_field_by_name(int type, const char *name);

/* The name of a field, its OPAMP_KIND_… (of the value, for a map), its
 * OPAMP_FIELD_… bits, and the type of its sub-messages (of a map's values).
 * NULL and 0 when there is no such field. */
OPAMP_API const char *opamp_msg_field_name(int type, int field);
OPAMP_API int opamp_msg_field_kind(int type, int field);
OPAMP_API unsigned opamp_msg_field_flags(int type, int field);
OPAMP_API int opamp_msg_field_type(int type, int field);

/* Enumeration fields: the short name of a value ("APPLIED"), NULL for a value
 * without one; and back, false when there is no such name. */
OPAMP_API const char *opamp_msg_enum_name(int type, int field, uint64_t value);
OPAMP_API bool opamp_msg_enum_value(int type, int field, const char *name,
                                    uint64_t *out);

/* The short name of one capability bit ("ReportsStatus"), of an agent or of a
 * server; NULL for a bit without one. And back, 0 for none. */
OPAMP_API const char *opamp_agent_capability_name(uint64_t bit);
OPAMP_API uint64_t opamp_agent_capability_by_name(const char *name);
OPAMP_API const char *opamp_server_capability_name(uint64_t bit);
OPAMP_API uint64_t opamp_server_capability_by_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
