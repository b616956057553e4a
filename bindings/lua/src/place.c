/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

/* Of a longer way only the beginning and the end say something. */
enum { SHOWN_FIRST = 8, SHOWN_LAST = 2, SHOWN_KEY = 60 };

static bool is_identifier(const char *s, size_t len) {
  if (len == 0 || isdigit((unsigned char)*s)) return false;
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
  return true;
}

static void add_key(luaL_Buffer *b, const place *at) {
  size_t len = at->len < SHOWN_KEY ? at->len : SHOWN_KEY;
  luaL_addstring(b, "[\"");
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)at->name[i];
    if (c < 0x20 || c >= 0x7f) c = '?'; /* it may be no text at all */
    luaL_addchar(b, (char)c);
  }
  luaL_addstring(b, at->len > len ? "…\"]" : "\"]");
}

static void add_step(luaL_Buffer *b, const place *at) {
  if (at->name == NULL) {
    char index[24];
    (void)snprintf(index, sizeof index, "[%zu]", at->index);
    luaL_addstring(b, index);
  } else if (is_identifier(at->name, at->len) && at->len <= SHOWN_KEY) {
    if (at->up != NULL) luaL_addchar(b, '.');
    luaL_addlstring(b, at->name, at->len);
  } else if (at->up == NULL) {
    luaL_addlstring(b, at->name, at->len);
  } else {
    add_key(b, at);
  }
}

void push_place(lua_State *L, const place *at) {
  const place *steps[SHOWN_FIRST + SHOWN_LAST];
  size_t depth = 0, shown = 0;
  luaL_Buffer b;
  for (const place *p = at; p != NULL; p = p->up) depth++;
  for (const place *p = at; p != NULL; p = p->up) {
    size_t i = --depth;
    if (shown < SHOWN_LAST || i < SHOWN_FIRST) steps[shown++] = p;
  }
  luaL_buffinit(L, &b);
  for (const place *before = NULL; shown > 0; before = steps[shown]) {
    const place *step = steps[--shown];
    if (before != NULL && step->up != before) luaL_addstring(&b, "[…]");
    add_step(&b, step);
  }
  luaL_pushresult(&b);
}
