/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../transport/fixture.h"
#include "rt.h"

/* A loop that is made and prepared in one process and used by its children,
 * inside of a root directory where there is nothing. */

enum { CHILDREN = 2, CHILD_OK = 0, CHILD_CHROOT, CHILD_STATUS, CHILD_CONNECT };

/* Into an empty directory, also without being root where the kernel allows a
 * namespace for that. */
static bool enter(const char *dir) {
  if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) return true;
  return chroot(dir) == 0 && chdir("/") == 0;
}

static bool is_delivered(opamp_loop *l, opamp_client *c) {
  uint64_t end = rt_now_ms() + 10000;
  while (rt_now_ms() < end) {
    opamp_event *e;
    if (opamp_loop_poll(l, 20) < 0) return false;
    while ((e = opamp_loop_next_event(l)) != NULL) opamp_event_free(e);
    if (opamp_client_counter(c, OPAMP_COUNT_MESSAGES_RECEIVED) > 0 &&
        opamp_client_undelivered(c) == 0)
      return true;
  }
  return false;
}

static int child(opamp_loop *l, const opamp_options *o, const char *dir) {
  opamp_client *c = NULL;
  int result = CHILD_STATUS;
  if (!enter(dir)) return CHILD_CHROOT;
  if (opamp_loop_prepare(l) == OPAMP_ERR_FORKED &&
      opamp_loop_adopt(l) == OPAMP_OK && opamp_loop_adopt(l) == OPAMP_OK &&
      opamp_client_new(&c, l, o) == OPAMP_OK &&
      opamp_client_start(c) == OPAMP_OK)
    result = is_delivered(l, c) ? CHILD_OK : CHILD_CONNECT;
  opamp_client_free(c);
  opamp_loop_free(l);
  return result;
}

static void children_of(bool websocket) {
  char dir[] = "/tmp/opamp-prepare-XXXXXX";
  pid_t pids[CHILDREN];
  stub *s = stub_new();
  opamp_options *o = rt_options(s, websocket);
  opamp_loop *l;
  int status;
  CHECK(mkdtemp(dir) != NULL);
  CHECK_EQ(opamp_loop_new(&l, 0), OPAMP_OK);
  CHECK_EQ(opamp_loop_prepare(l), OPAMP_OK);
  CHECK_EQ(opamp_loop_prepare(l), OPAMP_OK);
  CHECK_EQ(opamp_loop_adopt(l), OPAMP_OK);
  for (int i = 0; i < CHILDREN; i++) {
    pids[i] = fork();
    CHECK(pids[i] >= 0);
    /* What else there is belongs to threads that are not here. */
    if (pids[i] == 0) _exit(child(l, o, dir));
  }
  for (int i = 0; i < CHILDREN; i++) {
    CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), CHILD_OK);
  }
  CHECK_EQ(stub_accepted(s), CHILDREN);
  /* The parent's is as it was. */
  opamp_client *c;
  CHECK_EQ(opamp_client_new(&c, l, o), OPAMP_OK);
  CHECK_EQ(opamp_client_start(c), OPAMP_OK);
  rt_delivered(l, c);
  CHECK_EQ(stub_accepted(s), CHILDREN + 1);
  opamp_client_free(c);
  opamp_loop_free(l);
  opamp_options_free(o);
  stub_free(s);
  CHECK_EQ(rmdir(dir), 0);
}

TEST(children_adopt_a_prepared_loop_over_websocket) {
  children_of(true);
}

TEST(children_adopt_a_prepared_loop_over_http) {
  children_of(false);
}

static void adopted(opamp_loop *l, opamp_status want) {
  int status;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) _exit(opamp_loop_adopt(l) == want ? 0 : 1);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(a_loop_that_was_used_is_not_adopted) {
  stub *s = stub_new();
  opamp_options *o = rt_options(s, true);
  opamp_client *c;
  opamp_loop *l;
  CHECK_EQ(opamp_loop_new(&l, 0), OPAMP_OK);
  adopted(l, OPAMP_OK);
  CHECK_EQ(opamp_client_new(&c, l, o), OPAMP_OK);
  opamp_client_free(c);
  adopted(l, OPAMP_ERR_STATE);
  opamp_loop_free(l);

  CHECK_EQ(opamp_loop_new(&l, 0), OPAMP_OK);
  CHECK(opamp_loop_event_fd(l) >= 0);
  adopted(l, OPAMP_ERR_STATE);
  CHECK_EQ(opamp_loop_start_thread(l), OPAMP_OK);
  CHECK_EQ(opamp_loop_prepare(l), OPAMP_ERR_BUSY);
  opamp_loop_free(l);
  opamp_options_free(o);
  stub_free(s);
}

static opamp_status make_client(const opamp_options *o) {
  opamp_client *c;
  opamp_status status = opamp_client_new(&c, NULL, o);
  opamp_client_free(c);
  return status;
}

/* Covers: SET-8 */
TEST(options_that_were_checked_need_their_files_no_more) {
  char dir[] = "/tmp/opamp-checked-XXXXXX", from[400], link[64];
  opamp_options *o;
  CHECK(mkdtemp(dir) != NULL);
  CHECK(realpath(cert_path("ca.pem"), from) != NULL);
  snprintf(link, sizeof link, "%s/ca.pem", dir);
  CHECK_EQ(symlink(from, link), 0);
  CHECK_EQ(opamp_options_new(&o), OPAMP_OK);
  CHECK_EQ(opamp_options_check(o), OPAMP_ERR_INVALID); /* no URL */
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "wss://h"), OPAMP_OK);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, link), OPAMP_OK);
  CHECK_EQ(opamp_options_check(o), OPAMP_OK);
  CHECK_EQ(unlink(link), 0);
  CHECK_EQ(opamp_options_check(o), OPAMP_OK);
  CHECK_EQ(make_client(o), OPAMP_OK);
  CHECK_EQ(make_client(o), OPAMP_OK);
  /* A change has them read again. */
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "wss://g"), OPAMP_OK);
  CHECK_EQ(make_client(o), OPAMP_ERR_IO);
  CHECK_EQ(opamp_options_check(o), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), link) != NULL);
  opamp_options_free(o);
  CHECK_EQ(rmdir(dir), 0);
}

TEST(prepare_and_adopt_answer_bad_handles) {
  CHECK_EQ(opamp_loop_prepare(NULL), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_loop_adopt(NULL), OPAMP_ERR_INVALID);
}
