/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "harness.h"
#include "opamp/opamp.h"
#include "runtime/runtime.h"
#include "runtime/snapshot.h"

static opamp_options *options(void) {
  opamp_options *o;
  CHECK_EQ(opamp_options_new(&o), OPAMP_OK);
  return o;
}

/* Covers: SEC-1 */
TEST(table_lists_every_number) {
  opamp_options *o = options();
  size_t n = 0;
  for (int key; (key = opamp_option_at(n)) != 0; n++) {
    uint64_t min = opamp_option_min(key), max = opamp_option_max(key);
    CHECK(opamp_option_name(key) != NULL);
    CHECK_EQ(opamp_options_number(o, key), opamp_option_default(key));
    CHECK(min <= opamp_option_default(key));
    CHECK(opamp_option_default(key) <= max);
    CHECK(max < UINT64_MAX);
    CHECK_EQ(opamp_options_set_number(o, key, min), OPAMP_OK);
    CHECK_EQ(opamp_options_number(o, key), min);
    CHECK_EQ(opamp_options_set_number(o, key, max), OPAMP_OK);
    CHECK_EQ(opamp_options_set_number(o, key, max + 1), OPAMP_ERR_INVALID);
    CHECK_EQ(opamp_options_number(o, key), max);
    if (min > 0)
      CHECK_EQ(opamp_options_set_number(o, key, min - 1), OPAMP_ERR_INVALID);
  }
  CHECK(n >= 30);
  CHECK_EQ(opamp_options_set_number(o, 9999, 1), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(opamp_options_set_number(o, -1, 1), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(opamp_options_number(o, 9999), 0);
  CHECK(opamp_option_name(9999) == NULL);
  CHECK_EQ(opamp_option_default(9999), 0);
  opamp_options_free(o);
}

TEST(texts_are_checked) {
  opamp_options *o = options();
  CHECK_EQ(opamp_options_set_text(o, 0, "x"), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(opamp_options_set_text(o, 99, "x"), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "ftp://x"),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://"),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_TLS_MIN_VERSION, "7"),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_TLS_CIPHERS, "NONSENSE"),
           OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "NONSENSE") != NULL);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_TLS_MIN_VERSION, "1.3"),
           OPAMP_OK);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_TLS_MIN_VERSION, NULL),
           OPAMP_OK);
  opamp_options_free(o);
}

/* Covers: SEC-2, SET-9 */
TEST(proxies_are_checked_and_never_shown) {
  opamp_options *o = options();
  const opamp__proxy *p;
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_PROXY, "u:hunter2@p:0"),
           OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "hunter2") == NULL);
  CHECK_EQ(opamp_options_add_proxy_header(o, "X", "hunter2\n"),
           OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "hunter2") == NULL);
  CHECK_EQ(opamp_options_add_proxy_header(o, "X", "v"), OPAMP_OK);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_PROXY, "u:hunter2@p"),
           OPAMP_OK);
  p = &o->snap->proxy;
  CHECK_STR(p->address, "p:80");
  CHECK_STR(p->headers.list[0].name, "X");
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_PROXY, NULL), OPAMP_OK);
  CHECK(p->address == NULL && p->password == NULL);
  CHECK_EQ(p->headers.len, 1);
  opamp_options_free(o);
}

/* The environment is asked when that is wanted and no proxy is set; its proxy
 * gets the same headers.
 * Covers: SET-9 */
TEST(a_proxy_of_the_environment) {
  opamp_options *o = options();
  opamp__proxy room;
  const opamp__proxy *p;
  CHECK_EQ(setenv("http_proxy", "http://u:w@q:3", 1), 0);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://a"), OPAMP_OK);
  CHECK_EQ(opamp_options_add_proxy_header(o, "X", "v"), OPAMP_OK);
  CHECK_EQ(opamp__snapshot_proxy(o->snap, &o->snap->url, &room, &p), OPAMP_OK);
  CHECK(p == NULL);
  CHECK_EQ(opamp_options_set_number(o, OPAMP_OPT_PROXY_FROM_ENV, 1), OPAMP_OK);
  CHECK_EQ(opamp__snapshot_proxy(o->snap, &o->snap->url, &room, &p), OPAMP_OK);
  CHECK(p == &room);
  CHECK_STR(p->address, "q:3");
  CHECK_STR(p->headers.list[0].value, "v");
  opamp__proxy_free(&room);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_PROXY, "socks5://s"), OPAMP_OK);
  CHECK_EQ(opamp__snapshot_proxy(o->snap, &o->snap->url, &room, &p), OPAMP_OK);
  CHECK_STR(p->address, "s:1080");
  CHECK(room.address == NULL);
  CHECK_EQ(unsetenv("http_proxy"), 0);
  opamp_options_free(o);
}

/* Covers: SEC-2 */
TEST(headers_are_checked_and_never_shown) {
  opamp_options *o = options();
  CHECK_EQ(opamp_options_add_header(o, "", "v"), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_add_header(o, "A b", "v"), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_add_header(o, "Host", "v"), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_add_header(o, "X", "se\r\ncret"), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "se") == NULL ||
        strstr(opamp_errmsg(), "cret") == NULL);
  CHECK_EQ(opamp_options_add_header(o, "X", "v"), OPAMP_OK);
  opamp_options_free(o);
}

TEST(uid_is_checked) {
  opamp_options *o = options();
  uint8_t uid[17] = {0};
  CHECK_EQ(opamp_options_set_instance_uid(o, (opamp_bytes){uid, 16}),
           OPAMP_ERR_INVALID);
  uid[3] = 1;
  CHECK_EQ(opamp_options_set_instance_uid(o, (opamp_bytes){uid, 15}),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_set_instance_uid(o, (opamp_bytes){uid, 17}),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_options_set_instance_uid(o, (opamp_bytes){uid, 16}), OPAMP_OK);
  opamp_options_free(o);
}

/* Clients made from unchanged options share them; a change copies. */
TEST(snapshots_are_shared_until_changed) {
  opamp_options *o = options();
  opamp_loop *l;
  opamp_client *a, *b, *c;
  opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://127.0.0.1:1");
  CHECK_EQ(opamp_loop_new(&l, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&a, l, o), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&b, l, o), OPAMP_OK);
  CHECK(a->options == b->options);
  opamp_options_set_number(o, OPAMP_OPT_HEARTBEAT, 1234);
  CHECK_EQ(opamp_client_new(&c, l, o), OPAMP_OK);
  CHECK(c->options != a->options);
  CHECK_EQ(a->options->numbers[OPAMP_OPT_HEARTBEAT], 30000);
  CHECK_EQ(c->options->numbers[OPAMP_OPT_HEARTBEAT], 1234);
  opamp_options_free(o);
  CHECK_EQ(c->options->numbers[OPAMP_OPT_HEARTBEAT], 1234);
  opamp_client_free(a);
  opamp_client_free(b);
  opamp_client_free(c);
  opamp_loop_free(l);
}

/* What the runtime adds to a client that does nothing. */
TEST(a_client_is_small) {
  CHECK(sizeof(opamp_client) <= 672);
}

/* --- the inbox ------------------------------------------------------------ */

static opamp__command *command(opamp__in_kind kind, int field) {
  opamp__command *cmd = opamp__command_new(kind);
  cmd->in.field = field;
  return cmd;
}

static size_t length(const opamp__command *list) {
  size_t n = 0;
  for (; list != NULL; list = list->next) n++;
  return n;
}

TEST(newer_state_takes_the_place_of_older) {
  opamp__inbox box = {.head = NULL};
  opamp__command *list;
  CHECK(opamp__inbox_put(&box, command(OPAMP__IN_SET, 3)) == NULL);
  CHECK(opamp__inbox_put(&box, command(OPAMP__IN_SET, 5)) == NULL);
  opamp__command_free(opamp__inbox_put(&box, command(OPAMP__IN_SET, 3)));
  opamp__command_free(opamp__inbox_put(&box, command(OPAMP__IN_SET, 5)));
  CHECK(opamp__inbox_put(&box, command(OPAMP__IN_CUSTOM, 0)) == NULL);
  CHECK(opamp__inbox_put(&box, command(OPAMP__IN_CUSTOM, 0)) == NULL);
  list = opamp__inbox_take(&box, false);
  CHECK_EQ(length(list), 4);
  CHECK_EQ(list->in.field, 3);
  CHECK_EQ(list->next->in.field, 5);
  CHECK(box.head == NULL);
  opamp__commands_free(list);
}

TEST(a_hold_keeps_state_but_not_start_or_stop) {
  opamp__inbox box = {.head = NULL};
  opamp__command *list;
  opamp__inbox_put(&box, command(OPAMP__IN_SET, 3));
  opamp__inbox_put(&box, command(OPAMP__IN_START, 0));
  list = opamp__inbox_take(&box, true);
  CHECK_EQ(length(list), 1);
  CHECK_EQ(list->in.kind, OPAMP__IN_START);
  opamp__commands_free(list);
  opamp__inbox_put(&box, command(OPAMP__IN_STOP, 0));
  opamp__inbox_put(&box, command(OPAMP__IN_SET, 5));
  list = opamp__inbox_take(&box, true);
  CHECK_EQ(length(list), 2);
  CHECK_EQ(list->in.field, 3);
  CHECK_EQ(list->next->in.kind, OPAMP__IN_STOP);
  opamp__inbox_prepend(&box, list);
  list = opamp__inbox_take(&box, false);
  CHECK_EQ(length(list), 3);
  CHECK_EQ(list->next->next->in.field, 5);
  opamp__commands_free(list);
  opamp__inbox_put(&box, command(OPAMP__IN_SET, 6));
  list = opamp__inbox_take(&box, false);
  CHECK_EQ(length(list), 1);
  opamp__commands_free(list);
}
