/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_configdir_rig.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "opamp/typed.h"

char rig_dir[80];
void rig_fresh(void) {
  place_fresh("agent_configdir");
  snprintf(rig_dir, sizeof rig_dir, "%s/conf", place_root);
}

opamp_msg *rig_offer(const char *const *files) {
  opamp_msg *m, *map, *file;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_REMOTE_CONFIG), OPAMP_OK);
  CHECK_EQ(opamp_msg_add(&map, m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG), OPAMP_OK);
  for (; files[0] != NULL; files += 2) {
    CHECK_EQ(opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                           opamp_str_of(files[0])),
             OPAMP_OK);
    CHECK_EQ(opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                                 opamp_bytes_of(files[1], strlen(files[1]))),
             OPAMP_OK);
  }
  return m;
}

opamp_configdir *rig_open(void) {
  opamp_configdir *d;
  opamp_status s = opamp_configdir_open(&d, rig_dir);
  if (s != OPAMP_OK)
    harness_fail(__FILE__, __LINE__, "open: %s", opamp_errmsg());
  return d;
}

opamp_status rig_replace(opamp_configdir *d, const char *const *files) {
  opamp_msg *m = rig_offer(files);
  opamp_status s = opamp_configdir_replace(d, m);
  opamp_msg_free(m);
  return s;
}

const char *rig_shown(opamp_configdir *d) {
  static char text[2000];
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  opamp_msg *m;
  size_t len = 0;
  CHECK_EQ(opamp_configdir_read(d, &m), OPAMP_OK);
  const opamp_msg *map = opamp_msg_sub(m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP, 0);
  text[0] = '\0';
  for (size_t i = 0; i < opamp_msg_count(map, field); i++) {
    opamp_bytes b = opamp_msg_bytes(opamp_msg_sub(map, field, i),
                                    OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
    len += (size_t)snprintf(text + len, sizeof text - len, "%s=%.*s;",
                            opamp_msg_key(map, field, i).ptr, (int)b.len,
                            b.len > 0 ? (const char *)b.ptr : "");
  }
  opamp_msg_free(m);
  return text;
}

/* nftw has no argument of the caller's. */
static struct {
  char lines[16][100];
  size_t n, below;
} found;

static int find_one(const char *path, const struct stat *st, int type,
                    struct FTW *at) {
  (void)st, (void)at;
  char body[40] = "";
  if (type == FTW_D || found.n == 16) return 0;
  FILE *f = fopen(path, "r");
  if (f == NULL) return 1;
  size_t n = fread(body, 1, sizeof body - 1, f);
  fclose(f);
  snprintf(found.lines[found.n++], sizeof found.lines[0], "%s=%.*s;",
           path + found.below, (int)n, body);
  return 0;
}

static int by_text(const void *a, const void *b) {
  return strcmp(a, b);
}

const char *rig_on_disk(const char *path) {
  static char text[2000];
  found.n = 0;
  found.below = strlen(path) + 1;
  text[0] = '\0';
  if (access(path, F_OK) != 0) return text;
  CHECK_EQ(nftw(path, find_one, 16, FTW_PHYS), 0);
  qsort(found.lines, found.n, sizeof found.lines[0], by_text);
  for (size_t i = 0; i < found.n; i++) strcat(text, found.lines[i]);
  return text;
}

/* --- a whole life --------------------------------------------------------- */

#define USERS "mine=user's;sub/mine=user's;"
#define SET(body) "a=" body ";conf.d/b=" body ";conf.d/deep/c=" body ";"

const rig_phase rig_phases[RIG_PHASES] = {
    {"open", {USERS, USERS}, {USERS, USERS}},
    {"replace", {USERS, SET("one")}, {USERS, USERS}},
    {"commit", {SET("one"), SET("one")}, {USERS, SET("one")}},
    {"replace", {SET("one"), SET("bad")}, {SET("one"), SET("one")}},
    {"rollback", {SET("bad"), SET("one")}, {SET("one"), SET("one")}},
    {"replace", {SET("one"), SET("two")}, {SET("one"), SET("one")}},
    {"commit", {SET("two"), SET("two")}, {SET("one"), SET("two")}},
};

static opamp_status offer(opamp_configdir *d, const char *body) {
  return rig_replace(d,
                     FILES("a", body, "conf.d/b", body, "conf.d/deep/c", body));
}

void rig_before_life(void) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  CHECK_EQ(mkdir(place_path("conf/sub"), 0755), 0);
  place_write("conf/mine", "user's");
  place_write("conf/sub/mine", "user's");
}

static opamp_status live(opamp_configdir *d, int phase) {
  switch (phase) {
    case 1:
      return offer(d, "one");
    case 3:
      return offer(d, "bad");
    case 4:
      return opamp_configdir_rollback(d);
    case 5:
      return offer(d, "two");
    default:
      return opamp_configdir_commit(d);
  }
}

opamp_status rig_life(void *ctx) {
  volatile int *phase = ctx;
  opamp_configdir *d;
  *phase = 0;
  opamp_status s = opamp_configdir_open(&d, rig_dir);
  if (s != OPAMP_OK) return s;
  for (*phase = 1; *phase < RIG_PHASES; ++*phase) {
    s = live(d, *phase);
    if (s != OPAMP_OK) break;
  }
  opamp_configdir_free(d);
  return s;
}

static void one_of(const char *when, const char *got, const char *const want[2],
                   bool undone) {
  if (strcmp(got, want[0]) != 0 && (undone || strcmp(got, want[1]) != 0))
    harness_fail(__FILE__, __LINE__, "%s: \"%s\", not \"%s\"%s", when, got,
                 want[0], undone ? "" : " or the next");
}

/* Beside DIR there is what has a purpose. */
static void check_beside(const char *when, const char *purposes) {
  struct dirent *e;
  char word[300];
  DIR *dir = opendir(place_path(".conf.opamp"));
  CHECK(dir != NULL);
  while ((e = readdir(dir)) != NULL) {
    snprintf(word, sizeof word, " %s ", e->d_name);
    if (e->d_name[0] != '.' && strstr(purposes, word) == NULL)
      harness_fail(__FILE__, __LINE__, "%s: %s is left", when, e->d_name);
  }
  closedir(dir);
  dir = opendir(place_root);
  CHECK(dir != NULL);
  int n = 0;
  while ((e = readdir(dir)) != NULL) n++;
  closedir(dir);
  CHECK_EQ(n, 4); /* ".", "..", DIR and the directory beside it */
}

static void check_users_files(const char *when) {
  static const char *const places[] = {"conf", ".conf.opamp/good",
                                       ".conf.opamp/original"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(rig_on_disk(place_path(places[i])), USERS) == 0) return;
  harness_fail(__FILE__, __LINE__, "%s: the user's files are gone", when);
}

void rig_after_life(int phase, bool undone, const char *when) {
  static const rig_phase ended = {
      "the end", {SET("two"), SET("two")}, {SET("two"), SET("two")}};
  const rig_phase *p = phase < RIG_PHASES ? &rig_phases[phase] : &ended;
  char shown[200];
  snprintf(shown, sizeof shown, "%s", rig_on_disk(rig_dir));
  one_of(when, shown, p->shown, undone);
  opamp_configdir *d = rig_open();
  CHECK_STR(rig_on_disk(rig_dir), shown);
  check_users_files(when);
  check_beside(when, " lock state good original ");
  bool good = opamp_configdir_is_good(d);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  one_of(when, rig_on_disk(rig_dir), p->good, undone);
  CHECK_EQ(strcmp(rig_on_disk(rig_dir), shown) == 0, good);
  CHECK(opamp_configdir_is_good(d));
  check_beside(when, " lock state original ");
  CHECK_EQ(offer(d, "after"), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_STR(rig_on_disk(rig_dir), SET("after"));
  check_users_files(when);
  check_beside(when, " lock state original ");
  opamp_configdir_free(d);
}
