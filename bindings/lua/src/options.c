/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core.h"

/* The table of opamp.new as an options object of the library. Wrong types and
 * unknown names raise; wrong values are nil, text, code. */

static const char options_type[] = "opamp.options";

enum { MAX_NAME = 40 };

static int options_gc(lua_State *L) {
  opamp_options **o = (opamp_options **)lua_touserdata(L, 1);
  opamp_options_free(*o);
  *o = NULL;
  return 0;
}

/* --- numbers ------------------------------------------------------------------ */

/* options.h counts delays from 1, then sizes from MAX_RECEIVE. */
static bool is_duration(int key) {
  return key < OPAMP_OPT_MAX_RECEIVE && key != OPAMP_OPT_BACKOFF_PERCENT;
}

static bool is_switch(int key) {
  return opamp_option_min(key) == 0 && opamp_option_max(key) == 1;
}

/* Written by options that have another form in Lua. */
static bool is_derived(int key) {
  return key == OPAMP_OPT_TLS_SYSTEM_CA || key == OPAMP_OPT_TLS_INSECURE ||
         key == OPAMP_OPT_PROXY_FROM_ENV || key == OPAMP_OPT_LOG_LEVEL;
}

/* The name in Lua: underscores for what the tools write as hyphens. */
static void lua_name(int key, char *name) {
  const char *from = opamp_option_name(key);
  size_t n = 0;
  for (; from[n] != '\0' && n + 1 < MAX_NAME; n++)
    name[n] = from[n] == '-' ? '_' : from[n];
  name[n] = '\0';
}

static int number_key(const char *wanted) {
  char name[MAX_NAME];
  int key;
  for (size_t i = 0; (key = opamp_option_at(i)) != 0; i++) {
    lua_name(key, name);
    if (strcmp(name, wanted) == 0) return is_derived(key) ? 0 : key;
  }
  return 0;
}

static void wrong_type(lua_State *L, const char *name, const char *expected) {
  misuse(L, &opamp_new, "option '%s' must be %s, not %s", name, expected,
         luaL_typename(L, -1));
}

/* The number on the top of the stack. */
static int set_number(lua_State *L, opamp_options *o, int key,
                      const char *name) {
  double scale = is_duration(key) ? 1000.0 : 1.0;
  const char *unit = is_duration(key) ? " s" : "";
  double low = (double)opamp_option_min(key);
  double high = (double)opamp_option_max(key);
  double value;
  if (is_switch(key)) {
    if (!lua_isboolean(L, -1)) wrong_type(L, name, "a boolean");
    value = lua_toboolean(L, -1);
  } else {
    if (lua_type(L, -1) != LUA_TNUMBER) wrong_type(L, name, "a number");
    value = (double)lua_tonumber(L, -1) * scale;
  }
  if (!is_duration(key) && value != floor(value)) {
    lua_pushfstring(L, "option '%s': %f is no whole number", name,
                    (lua_Number)value);
    return fail_text(L, OPAMP_ERR_INVALID, lua_tostring(L, -1));
  }
  if (!(value >= low && value <= high)) {
    lua_pushnil(L);
    lua_pushfstring(L, "option '%s': %f%s is out of range (%f to %f%s)", name,
                    (lua_Number)(value / scale), unit,
                    (lua_Number)(low / scale), (lua_Number)(high / scale),
                    unit);
    push_code(L, OPAMP_ERR_INVALID);
    return 3;
  }
  (void)opamp_options_set_number(o, key, (uint64_t)(value + 0.5));
  return 0;
}

/* --- texts --------------------------------------------------------------------- */

/* Sets the text at `name` of the table on the top of the stack, when there is
 * one; `where` names it. */
static int set_text(lua_State *L, opamp_options *o, int key, const char *name,
                    const char *where) {
  opamp_status status = OPAMP_OK;
  lua_getfield(L, -1, name);
  if (!lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING) wrong_type(L, where, "a string");
    if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1)) {
      lua_pushfstring(L, "option '%s' holds a zero byte", where);
      return fail_text(L, OPAMP_ERR_INVALID, lua_tostring(L, -1));
    }
    status = opamp_options_set_text(o, key, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return status == OPAMP_OK ? 0 : fail(L, status, where);
}

static bool flag(lua_State *L, const char *name, const char *where,
                 bool otherwise) {
  bool value = otherwise;
  lua_getfield(L, -1, name);
  if (!lua_isnil(L, -1)) {
    if (!lua_isboolean(L, -1)) wrong_type(L, where, "a boolean");
    value = lua_toboolean(L, -1) != 0;
  }
  lua_pop(L, 1);
  return value;
}

static int set_ciphers(lua_State *L, opamp_options *o) {
  luaL_Buffer b;
  opamp_status status = OPAMP_OK;
  lua_getfield(L, -1, "ciphers");
  if (lua_istable(L, -1)) {
    int list = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= (int)lua_rawlen(L, list); i++) {
      if (i > 1) luaL_addchar(&b, ',');
      lua_rawgeti(L, list, i);
      if (lua_type(L, -1) != LUA_TSTRING)
        wrong_type(L, "tls.ciphers", "a list of strings");
      luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    status =
        opamp_options_set_text(o, OPAMP_TEXT_TLS_CIPHERS, lua_tostring(L, -1));
    lua_pop(L, 1);
  } else if (!lua_isnil(L, -1)) {
    wrong_type(L, "tls.ciphers", "a list of strings");
  }
  lua_pop(L, 1);
  return status == OPAMP_OK ? 0 : fail(L, status, "tls.ciphers");
}

static const struct text_option {
  const char *name, *where;
  int key;
} tls_texts[] = {
    {"ca", "tls.ca", OPAMP_TEXT_TLS_CA_FILE},
    {"ca_pem", "tls.ca_pem", OPAMP_TEXT_TLS_CA_PEM},
    {"cert", "tls.cert", OPAMP_TEXT_TLS_CERT_FILE},
    {"cert_pem", "tls.cert_pem", OPAMP_TEXT_TLS_CERT_PEM},
    {"key", "tls.key", OPAMP_TEXT_TLS_KEY_FILE},
    {"key_pem", "tls.key_pem", OPAMP_TEXT_TLS_KEY_PEM},
    {"min_version", "tls.min_version", OPAMP_TEXT_TLS_MIN_VERSION},
    {"max_version", "tls.max_version", OPAMP_TEXT_TLS_MAX_VERSION},
};

static void check_tls_names(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    bool known = strcmp(name, "ciphers") == 0 ||
                 strcmp(name, "system_ca") == 0 || strcmp(name, "verify") == 0;
    for (size_t i = 0; i < sizeof tls_texts / sizeof *tls_texts; i++)
      known = known || strcmp(name, tls_texts[i].name) == 0;
    if (!known) misuse(L, &opamp_new, "there is no option 'tls.%s'", name);
  }
}

static int set_tls(lua_State *L, opamp_options *o) {
  int failed = 0;
  lua_getfield(L, 1, "tls");
  if (!lua_isnil(L, -1)) {
    if (!lua_istable(L, -1)) wrong_type(L, "tls", "a table");
    check_tls_names(L);
    for (size_t i = 0; i < sizeof tls_texts / sizeof *tls_texts; i++) {
      failed = set_text(L, o, tls_texts[i].key, tls_texts[i].name,
                        tls_texts[i].where);
      if (failed != 0) return failed;
    }
    failed = set_ciphers(L, o);
    if (failed != 0) return failed;
    (void)opamp_options_set_number(
        o, OPAMP_OPT_TLS_SYSTEM_CA,
        flag(L, "system_ca", "tls.system_ca", false));
    (void)opamp_options_set_number(o, OPAMP_OPT_TLS_INSECURE,
                                   !flag(L, "verify", "tls.verify", true));
  }
  lua_pop(L, 1);
  return 0;
}

/* --- headers --------------------------------------------------------------------- */

/* Appends name and value from the top of the stack to the list under them. */
static void add_header(lua_State *L, int list, const blame *of,
                       const char *name) {
  if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
    misuse(L, of, "%s: names and values must be strings", name);
  for (int i = -2; i < 0; i++)
    if (strlen(lua_tostring(L, i)) != lua_rawlen(L, i))
      misuse(L, of, "%s: a zero byte", name);
  lua_insert(L, -2); /* value, name */
  lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
  lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
}

size_t push_headers(lua_State *L, int index, const blame *of,
                    const char *name) {
  int list;
  index = opamp_lua_absolute(L, index);
  lua_newtable(L);
  list = lua_gettop(L);
  if (lua_isnil(L, index)) return 0;
  if (!lua_istable(L, index))
    misuse(L, of, "%s must be a table, not %s", name, luaL_typename(L, index));
  for (lua_pushnil(L); lua_next(L, index) != 0;) {
    if (lua_istable(L, -1)) { /* one of a list of { name, value } */
      lua_rawgeti(L, -1, 1);
      lua_rawgeti(L, -2, 2);
      lua_remove(L, -3);
    } else {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
    }
    add_header(L, list, of, name);
  }
  return lua_rawlen(L, list) / 2;
}

typedef opamp_status adder(opamp_options *o, const char *name,
                           const char *value);

static int set_headers_of(lua_State *L, opamp_options *o, const char *name,
                          adder *add) {
  size_t count;
  lua_getfield(L, 1, name);
  count = push_headers(L, -1, &opamp_new, name);
  for (size_t i = 0; i < count; i++) {
    opamp_status status;
    lua_rawgeti(L, -1, (int)(2 * i) + 1);
    lua_rawgeti(L, -2, (int)(2 * i) + 2);
    status = add(o, lua_tostring(L, -2), lua_tostring(L, -1));
    if (status != OPAMP_OK) return fail(L, status, name);
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
  return 0;
}

/* --- the others -------------------------------------------------------------------- */

const capability_names agent_capability_names = {opamp_agent_capability_by_name,
                                                 opamp_agent_capability_name};
const capability_names server_capability_names = {
    opamp_server_capability_by_name, opamp_server_capability_name};

/* A name, or the number of a bit that has none. */
static uint64_t capability(lua_State *L, int index, const blame *of,
                           const capability_names *names) {
  uint64_t bit = 0;
  int64_t number;
  if (lua_type(L, index) == LUA_TSTRING)
    bit = names->bit_of(lua_tostring(L, index));
  else if (lua_type(L, index) == LUA_TNUMBER &&
           opamp_lua_to_i64(L, index, &number) && number >= 0 && number < 64)
    bit = UINT64_C(1) << number;
  if (bit == 0 ||
      (lua_type(L, index) == LUA_TNUMBER && names->name_of(bit) != NULL)) {
    lua_pushvalue(L, index);
    misuse(L, of, "there is no capability '%s'",
           lua_tostring(L, -1) != NULL ? lua_tostring(L, -1)
                                       : luaL_typename(L, index));
  }
  return bit;
}

uint64_t check_capabilities(lua_State *L, int index, const blame *of,
                            uint64_t bits, const capability_names *names) {
  if (!lua_istable(L, index))
    misuse(L, of, "capabilities must be a table of names, not %s",
           luaL_typename(L, index));
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    int value = lua_gettop(L);
    if (!lua_isboolean(L, value))
      bits |= capability(L, value, of, names); /* of a list */
    else if (lua_toboolean(L, value))
      bits |= capability(L, value - 1, of, names);
    else
      bits &= ~capability(L, value - 1, of, names);
  }
  return bits;
}

static int set_proxy(lua_State *L, opamp_options *o) {
  int failed = 0;
  lua_getfield(L, 1, "proxy");
  if (lua_isnil(L, -1))
    (void)opamp_options_set_number(o, OPAMP_OPT_PROXY_FROM_ENV, 1);
  else if (lua_isboolean(L, -1) && lua_toboolean(L, -1))
    wrong_type(L, "proxy", "a URL or false");
  else if (!lua_isboolean(L, -1)) {
    lua_pushvalue(L, 1);
    failed = set_text(L, o, OPAMP_TEXT_PROXY, "proxy", "proxy");
    if (failed != 0) return failed;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 0;
}

static int set_proxy_headers(lua_State *L, opamp_options *o) {
  return set_headers_of(L, o, "proxy_headers", opamp_options_add_proxy_header);
}

static int set_instance_uid(lua_State *L, opamp_options *o) {
  uint8_t uid[OPAMP_UID_LEN];
  opamp_str s = {NULL, 0};
  opamp_status status = OPAMP_OK;
  lua_getfield(L, 1, "instance_uid");
  if (!lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING)
      wrong_type(L, "instance_uid", "a string");
    s.ptr = lua_tolstring(L, -1, &s.len);
    if (s.len == OPAMP_UID_TEXT_LEN) {
      status = opamp_uid_parse(uid, s);
      s = (opamp_str){(const char *)uid, sizeof uid};
    }
    if (status == OPAMP_OK)
      status = opamp_options_set_instance_uid(o, opamp_bytes_of(s.ptr, s.len));
  }
  lua_pop(L, 1);
  return status == OPAMP_OK ? 0 : fail(L, status, "instance_uid");
}

const char *const log_level_names[] = {"none", "error", "warn", "info",
                                       "debug"};

static int set_log_level(lua_State *L, opamp_options *o) {
  const char *given;
  lua_getfield(L, 1, "log_level");
  if (!lua_isnil(L, -1)) {
    given = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    for (unsigned i = 0;; i++) {
      if (i > OPAMP_LOG_DEBUG)
        misuse(L, &opamp_new,
               "option 'log_level' must be 'none', 'error', "
               "'warn', 'info' or 'debug'");
      if (strcmp(given, log_level_names[i]) != 0) continue;
      (void)opamp_options_set_number(o, OPAMP_OPT_LOG_LEVEL, i);
      break;
    }
  }
  lua_pop(L, 1);
  return 0;
}

static int set_capabilities(lua_State *L, opamp_options *o) {
  lua_getfield(L, 1, "capabilities");
  if (!lua_isnil(L, -1))
    (void)opamp_options_set_capabilities(
        o, check_capabilities(L, lua_gettop(L), &opamp_new,
                              OPAMP_CAPABILITIES_DEFAULT,
                              &agent_capability_names));
  lua_pop(L, 1);
  return 0;
}

static int set_headers_option(lua_State *L, opamp_options *o) {
  return set_headers_of(L, o, "headers", opamp_options_add_header);
}

/* Options that are no numbers, in the order in which the library wants them:
 * numbers come first, as they say which URLs there can be. A text has its key,
 * others a function; those without both are somebody else's. */
static const struct other_option {
  const char *name;
  int key;
  int (*set)(lua_State *L, opamp_options *o);
} others[] = {
    {"url", OPAMP_TEXT_URL, NULL},
    {"tls", 0, set_tls},
    {"proxy", 0, set_proxy},
    {"proxy_headers", 0, set_proxy_headers},
    {"redact", OPAMP_TEXT_REDACT, NULL},
    {"state_dir", OPAMP_TEXT_STATE_DIR, NULL},
    {"instance_uid", 0, set_instance_uid},
    {"capabilities", 0, set_capabilities},
    {"headers", 0, set_headers_option},
    {"log_level", 0, set_log_level},
    {"identifying", 0, NULL}, /* client.c */
    {"non_identifying", 0, NULL},
    {"loop", 0, NULL}, /* opamp.new */
    {"on", 0, NULL},
};

static int set_other(lua_State *L, opamp_options *o,
                     const struct other_option *other) {
  int failed;
  if (other->set != NULL) return other->set(L, o);
  if (other->key == 0) return 0;
  lua_pushvalue(L, 1);
  failed = set_text(L, o, other->key, other->name, other->name);
  if (failed == 0) lua_pop(L, 1);
  return failed;
}

static bool is_other(const char *name) {
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(name, others[i].name) == 0) return true;
  return false;
}

static int set_numbers(lua_State *L, opamp_options *o) {
  for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    int key = number_key(name), failed;
    if (key == 0 && !is_other(name))
      misuse(L, &opamp_new, "there is no option '%s'", name);
    failed = key != 0 ? set_number(L, o, key, name) : 0;
    if (failed != 0) return failed;
  }
  return 0;
}

opamp_options *build_options(lua_State *L) {
  opamp_options **o = (opamp_options **)lua_newuserdata(L, sizeof *o);
  int failed;
  *o = NULL;
  if (luaL_newmetatable(L, options_type) != 0) {
    lua_pushcfunction(L, options_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  if (opamp_options_new(o) != OPAMP_OK) {
    (void)fail(L, OPAMP_ERR_NOMEM, NULL);
    return NULL;
  }
  lua_getfield(L, 1, "url");
  if (lua_isnil(L, -1)) wrong_type(L, "url", "a string");
  lua_pop(L, 1);
  failed = set_numbers(L, *o);
  for (size_t i = 0; failed == 0 && i < sizeof others / sizeof *others; i++)
    failed = set_other(L, *o, &others[i]);
  return failed == 0 ? *o : NULL;
}

/*** The bounds of the options that are numbers: `limits().heartbeat` is a table
with `default`, `min` and `max`; durations are in seconds, sizes in bytes.
@function limits
@treturn table by the options' names */
static int options_limits(lua_State *L) {
  int key;
  lua_newtable(L);
  for (size_t i = 0; (key = opamp_option_at(i)) != 0; i++) {
    double scale = is_duration(key) ? 1000.0 : 1.0;
    char name[MAX_NAME];
    if (is_switch(key) || is_derived(key)) continue;
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, (double)opamp_option_default(key) / scale);
    lua_setfield(L, -2, "default");
    lua_pushnumber(L, (double)opamp_option_min(key) / scale);
    lua_setfield(L, -2, "min");
    lua_pushnumber(L, (double)opamp_option_max(key) / scale);
    lua_setfield(L, -2, "max");
    lua_name(key, name);
    lua_setfield(L, -2, name);
  }
  return 1;
}

void options_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"limits", options_limits},
                                       {NULL, NULL}};
  opamp_lua_set_functions(L, functions);
}
