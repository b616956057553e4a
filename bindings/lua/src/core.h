/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_LUA_CORE_H
#define OPAMP_LUA_CORE_H

#include <opamp/opamp.h>
#include <sys/types.h>

#include "compat.h"

/* The module opamp.core. No Lua runs inside of the library, and no error of Lua
 * ever leaves one of its functions: events are taken when a poll is over, and
 * what is being made when memory runs out belongs to a userdata. */

/* --- fail.c: what a call came to ------------------------------------------- */

/* nil, text, code. The text is that of the library's last error, after `where`
 * when that is not NULL. */
int fail(lua_State *L, opamp_status status, const char *where);
/* The same with a text of our own. */
int fail_text(lua_State *L, opamp_status status, const char *text);
/* true, or as fail(). */
int done(lua_State *L, opamp_status status);
void push_code(lua_State *L, opamp_status status);
int forked(lua_State *L);

/* Who is told of a mistake: the function that was called, and how far up from
 * the C function its caller is. */
typedef struct blame {
  const char *function;
  int level;
} blame;

extern const blame opamp_new;

/* Raises "FILE:LINE: FUNCTION: text". */
_Noreturn void misuse(lua_State *L, const blame *of, const char *format, ...);

/* luaL_argerror(), which never returns. */
_Noreturn void bad_argument(lua_State *L, int index, const char *text);

/* Arguments. Each raises when the value is of another type. */
opamp_str check_str(lua_State *L, int index);
opamp_bytes check_bytes(lua_State *L, int index);
/* A text for a C function that takes no length; NULL when there is none and
 * that is allowed. A NUL in it is the caller's fault. */
const char *check_text(lua_State *L, int index, bool optional);
void check_table(lua_State *L, int index);
/* A duration: seconds in Lua, milliseconds in C. -1: out of range. */
int64_t to_ms(lua_Number seconds);
/* Milliseconds as seconds; nil when there are none, < 0. */
void push_seconds(lua_State *L, int64_t ms);

/* --- message.c: messages that Lua owns -------------------------------------- */

/* Pushes a userdata that frees the message it is given. */
opamp_msg **push_owner(lua_State *L);
/* Frees it now. */
void drop_owner(opamp_msg **owner);
void push_packed(lua_State *L, const opamp_msg *m);

/* --- place.c: where in a table something is wrong ---------------------------- */

/* One step of the way to a value; the steps before it are on the C stack. */
typedef struct place place;
struct place {
  const place *up;
  const char *name;  /* a key; NULL: it is an index */
  size_t len;        /* of the key */
  size_t index;      /* counted from 1 */
  const void *table; /* the table that is there, for finding cycles */
};

/* Pushes "health.components.x.attributes[3]". */
void push_place(lua_State *L, const place *at);

/* --- encode.c, value.c: tables as messages ---------------------------------- */

/* What came of it: after a failure a text is on the stack. */
typedef struct encoder {
  lua_State *L;
  opamp_status status; /* of what is wrong with a value; OPAMP_OK: its type is */
  int depth;           /* of messages */
} encoder;

/* Each encodes the value on the top of the stack, and leaves it there. */
bool encode_message(encoder *e, opamp_msg *m, int type, const place *at);
bool encode_any(encoder *e, opamp_msg *any, const place *at);
bool encode_attributes(encoder *e, opamp_msg *m, int field, const place *at);

/* What the parts of the encoder share. */

/* False, with the text at the place. `status` OPAMP_OK: misuse. */
bool encode_fail(encoder *e, const place *at, opamp_status status,
                 const char *format, ...);
/* The same with the library's text, when `status` is a failure. */
bool encode_check(encoder *e, const place *at, opamp_status status);
/* Whether the value on the top of the stack has a type. */
bool encode_expect(encoder *e, const place *at, int type, const char *expected);
/* `here` becomes `at` with the table on the top of the stack. */
bool encode_enter(encoder *e, const place *at, place *here);
/* `next` becomes the place of the value on the top of the stack, by its key,
 * a text, that is under it. */
bool encode_key(encoder *e, const place *here, place *next);
/* How many items the list on the top of the stack has, which has nothing else. */
bool encode_list(encoder *e, const place *here, size_t *count);
opamp_str encode_text(encoder *e);
/* A message in `m`, which is encoded from the value on the top of the stack. */
bool encode_child(encoder *e, opamp_msg *m, int field, const place *at);

/* Pushes the owner of a message of `type` made of the table at `index`, and
 * returns 0; or what the calling function is to return. Misuse raises: naming
 * the argument, or blaming `of`, when that is not NULL. */
int encode_argument(lua_State *L, int index, int type, const char *name,
                    const blame *of, opamp_msg ***owner);

/* --- decode.c, value.c: messages as tables ----------------------------------- */

void decode_message(lua_State *L, const opamp_msg *m, int type);
void decode_any(lua_State *L, const opamp_msg *any);
void decode_attributes(lua_State *L, const opamp_msg *m, int field);
/* The names of bits as a set: { name = true }. */
void push_field_names(lua_State *L, int type, uint64_t bits);
void push_agent_capabilities(lua_State *L, uint64_t bits);
void push_server_capabilities(lua_State *L, uint64_t bits);
/* The name of an enumeration's value in Lua, "install_pending", or its number. */
void push_enum(lua_State *L, int type, int field, uint64_t value);
/* The value whose name is the string at `index`. */
bool find_enum(lua_State *L, int index, int type, int field, uint64_t *value);

/* array, map, double, bytes, null. */
void values_open(lua_State *L);

/* --- schema.c: how fields are named in Lua ----------------------------------- */

/* How a field's number is written in Lua, when it is not as it is. */
enum {
  FIELD_PLAIN = 0,
  FIELD_NANOSECONDS = 1,         /* as seconds */
  FIELD_AGENT_CAPABILITIES = 2,  /* as a set of names */
  FIELD_SERVER_CAPABILITIES = 3  /* as a set of names */
};

const char *schema_name(int type, int field);
int schema_field(int type, const char *name);
int schema_form(int type, int field);
/* The only field of a message that is written as that field; 0 for none. */
int schema_wrapped(int type);

/* --- loop.c, client.c, event.c ------------------------------------------------ */

/* A loop, shared by the userdata of Lua that need it. */
typedef struct shared_loop {
  opamp_loop *loop; /* NULL: closed */
  pid_t pid;        /* whose it is */
  size_t users;
} shared_loop;

void loop_open(lua_State *L);
/* The methods that loops and clients share, to the table on the top. */
void add_driving(lua_State *L);
/* Raises when it is no loop, or was closed. */
shared_loop *check_loop(lua_State *L, int index);
/* The loop of a loop or client. */
shared_loop *check_driven(lua_State *L, int index);
void loop_unref(shared_loop *s);
/* Frees the loop; in a forked child it is left alone, and closed. */
void loop_close(shared_loop *s);
bool loop_is_ours(const shared_loop *s);

void client_open(lua_State *L);
/* Raises when it is none or was closed. */
opamp_client *check_client(lua_State *L, int index);
bool is_client(lua_State *L, int index);
/* The loop of an open client, else NULL. */
shared_loop *client_loop(lua_State *L, int index);
/* Calls what the method attach of a loop or client was given, once. */
void detach(lua_State *L, int index);
/* The same for all clients of a loop. */
void detach_clients(lua_State *L, const shared_loop *s);
/* Pushes the client that opamp_event_user_data() gives, or nil. */
void push_client(lua_State *L, const void *user_data);
void view_open(lua_State *L);
void report_open(lua_State *L);
/* The names of capabilities, of an agent or of a server. */
typedef struct capability_names {
  uint64_t (*bit_of)(const char *name);
  const char *(*name_of)(uint64_t bit);
} capability_names;

extern const capability_names agent_capability_names, server_capability_names;

/* Capabilities as bits: `bits` with what the table at `index`, a list of names or
 * a set, { name = boolean }, adds and takes away. Raises. */
uint64_t check_capabilities(lua_State *L, int index, const blame *of,
                            uint64_t bits, const capability_names *names);

/* Pushes a userdata that holds the options object for the table that is argument
 * 1, and returns that; NULL with nil, text, code pushed instead. */
opamp_options *build_options(lua_State *L);
void options_open(lua_State *L);
/* By OPAMP_LOG_…. */
extern const char *const log_level_names[OPAMP_LOG_DEBUG + 1];

/* Name and value of each header of the table at `index`, one after the other in
 * a list that is pushed. Raises, and never tells a value. Returns how many. */
size_t push_headers(lua_State *L, int index, const blame *of, const char *name);

void event_open(lua_State *L);
/* Pushes the table for an event, which it takes over. */
void push_event(lua_State *L, opamp_event *e);
void answer_open(lua_State *L);
opamp_event *event_of(lua_State *L, int index);

void configdir_open(lua_State *L);

/* --- core.c -------------------------------------------------------------------- */

/* A type of userdata: its methods are in `methods`, which is left on the stack
 * and put into the module as `name`_methods. */
void new_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta);
void *test_type(lua_State *L, int index, const char *type);

#endif
