/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "opamp/configdir.h"
#include "opamp/typed.h"

/* configdir with the n-th allocation failing, for every n: an error is the
 * right one, and the directory holds the old set or the new one. */

static char root[64], dir[80];

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at) {
  (void)st, (void)type, (void)at;
  return remove(path);
}

static opamp_msg *offer(const char *body) {
  opamp_msg *m, *file;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_CONFIG_MAP), OPAMP_OK);
  CHECK_EQ(opamp_msg_put(&file, m, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                         OPAMP_STR("sub/folder/a")),
           OPAMP_OK);
  CHECK_EQ(opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                               opamp_bytes_of(body, strlen(body))),
           OPAMP_OK);
  return m;
}

static opamp_msg *new_set;

/* Opens, replaces, commits, replaces, rolls back, reads. */
static opamp_status life(void) {
  opamp_configdir *d;
  opamp_msg *m = NULL;
  opamp_status s = opamp_configdir_open(&d, dir);
  if (s != OPAMP_OK) return s;
  s = opamp_configdir_replace(d, new_set);
  if (s == OPAMP_OK) s = opamp_configdir_commit(d);
  if (s == OPAMP_OK) s = opamp_configdir_replace(d, new_set);
  if (s == OPAMP_OK) s = opamp_configdir_rollback(d);
  if (s == OPAMP_OK) s = opamp_configdir_read(d, &m);
  opamp_msg_free(m);
  opamp_configdir_free(d);
  return s;
}

static void check_whole(void) {
  char path[200], body[10] = "";
  snprintf(path, sizeof path, "%s/sub/folder/a", dir);
  FILE *f = fopen(path, "r");
  if (f == NULL) { /* before the first set */
    CHECK(rmdir(dir) == 0);
    return;
  }
  CHECK_EQ(fread(body, 1, sizeof body, f), 3);
  fclose(f);
  CHECK_STR(body, "new");
}

TEST(every_allocation_may_fail) {
  new_set = offer("new");
  size_t n = 1;
  for (opamp_status s = OPAMP_ERR_NOMEM; s != OPAMP_OK; n++) {
    strcpy(root, "/tmp/agent_configdir_nomem.XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(dir, sizeof dir, "%s/conf", root);
    opamp__mem_fail_after(n);
    s = life();
    opamp__mem_fail_after(0);
    if (s != OPAMP_OK && s != OPAMP_ERR_NOMEM)
      harness_fail(__FILE__, __LINE__, "n = %zu: %s", n, opamp_errmsg());
    if (access(dir, F_OK) == 0) check_whole();
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  }
  CHECK(n > 10);
  opamp_msg_free(new_set);
}
