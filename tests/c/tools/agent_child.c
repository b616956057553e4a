/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/child.h"
#include "common/utf8.h"
#include "harness.h"

/* Shell commands beside the agent. */

typedef struct outcome {
  bool ended;
  child_result result;
  char output[70000];
  char how[5000];
} outcome;

static void on_done(void *user_data, const child_result *r) {
  outcome *o = user_data;
  o->ended = true;
  o->result = *r;
  memcpy(o->output, r->output, r->output_len + 1);
  child_describe(r, o->how, sizeof o->how);
}

static outcome last;

static const outcome *run(const char *command, const char *const *env,
                          uint64_t timeout_ms, size_t keep) {
  waits w = {0};
  child_spec spec = {command, env, timeout_ms, keep, CHILD_OUTPUT_KEPT};
  memset(&last, 0, sizeof last);
  CHECK(child_start(&w, &spec, on_done, &last) != NULL);
  while (!last.ended) CHECK(wait_once(&w, -1));
  CHECK(w.fds == NULL && w.timers == NULL);
  return &last;
}

TEST(exit_status_and_output) {
  const outcome *o = run("echo out; echo err >&2; exit 3", NULL, 0, 100);
  CHECK_EQ(o->result.exit_code, 3);
  CHECK_STR(o->output, "out\nerr\n");
  CHECK_STR(o->how, "exit status 3: out\nerr");
  o = run("true", NULL, 0, 100);
  CHECK_EQ(o->result.exit_code, 0);
  CHECK_STR(o->how, "exit status 0");
  o = run("kill -9 $$", NULL, 0, 100);
  CHECK_EQ(o->result.exit_code, -1);
  CHECK_STR(o->how, "killed by signal 9");
}

TEST(the_end_of_the_output_is_kept) {
  const outcome *o =
      run("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; echo end",
          NULL, 0, 4096);
  CHECK_EQ(o->result.output_len, 4096);
  CHECK_STR(o->output + 4096 - 10, "19999\nend\n");
  o = run("printf 0123456789", NULL, 0, 4);
  CHECK_STR(o->output, "6789");
}

TEST(environment_is_added_and_replaced) {
  const char *env[] = {"OPAMP_A=1", "OPAMP_B=two words", NULL};
  setenv("OPAMP_A", "old", 1);
  setenv("OPAMP_AB", "kept", 1);
  const outcome *o = run(
      "echo $OPAMP_A/$OPAMP_B/$OPAMP_AB; env | grep -c ^OPAMP_A=", env, 0, 100);
  CHECK_STR(o->output, "1/two words/kept\n1\n");
}

/* Not so when it is dead and nobody has asked for its status. */
static bool alive(pid_t pid) {
  char path[64], state = 'Z';
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *f = fopen(path, "r");
  if (f != NULL && fscanf(f, "%*d %*s %c", &state) != 1) state = 'Z';
  if (f != NULL) fclose(f);
  return state != 'Z' && state != 'X';
}

TEST(a_timeout_kills_the_whole_group) {
  const outcome *o =
      run("trap '' TERM; (trap '' TERM; tail -f /dev/null) & echo $!; wait",
          NULL, 100, 100);
  CHECK(o->result.timed_out);
  CHECK(strncmp(o->how, "timed out: ", 11) == 0);
  pid_t pid = (pid_t)atoi(o->output);
  CHECK(pid > 1);
  while (alive(pid)) continue; /* until the time limit of the test */
}

TEST(what_stays_in_the_background_delays_nothing) {
  const outcome *o =
      run("tail -f /dev/null & echo $!; exit 0", NULL, 60000, 100);
  CHECK_EQ(o->result.exit_code, 0);
  CHECK(!o->result.timed_out);
  CHECK_EQ(kill((pid_t)atoi(o->output), SIGKILL), 0);
}

TEST(a_command_starts_clean) {
  sigset_t set, before;
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, &before);
  void (*old)(int) = signal(SIGPIPE, SIG_IGN);
  int leak = dup(0);
  const outcome *o =
      run("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'; "
          "for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; "
          "done; "
          "ps -o pgid= -p $$ | tr -d ' ' | grep -qx $$ && echo own group; cat",
          NULL, 0, 4096);
  sigprocmask(SIG_SETMASK, &before, NULL);
  signal(SIGPIPE, old);
  close(leak);
  CHECK_STR(o->output,
            "SigBlk:0000000000000000\nSigIgn:0000000000000000\n0\n1\n2\nown "
            "group\n");
}

TEST(killed_and_forgotten) {
  waits w = {0};
  child_spec spec = {"tail -f /dev/null", NULL, 1000, 10, CHILD_OUTPUT_KEPT};
  memset(&last, 0, sizeof last);
  child *c = child_start(&w, &spec, on_done, &last);
  CHECK(c != NULL);
  child_kill(c);
  child_kill(NULL);
  CHECK(!last.ended && w.fds == NULL && w.timers == NULL);
}

TEST(forgotten_it_runs_on) {
  char gate[] = "/tmp/agent_child.XXXXXX", path[80], command[200], said = 0;
  int out[2], before = dup(STDERR_FILENO);
  waits w = {0};
  CHECK(mkdtemp(gate) != NULL);
  snprintf(path, sizeof path, "%s/fifo", gate);
  CHECK_EQ(mkfifo(path, 0600), 0);
  snprintf(command, sizeof command, "read x < %s; printf y", path);
  child_spec spec = {command, NULL, 0, 0, CHILD_OUTPUT_STDERR};
  CHECK_EQ(pipe(out), 0);
  dup2(out[1], STDERR_FILENO);
  child *c = child_start(&w, &spec, on_done, &last);
  dup2(before, STDERR_FILENO);
  close(before);
  close(out[1]);
  CHECK(c != NULL);
  child_forget(c);
  int go = open(path, O_WRONLY); /* it waits for this */
  CHECK_EQ(write(go, "\n", 1), 1);
  close(go);
  CHECK_EQ(read(out[0], &said, 1), 1);
  CHECK_EQ(said, 'y');
  close(out[0]);
  unlink(path);
  rmdir(gate);
}

TEST(output_becomes_text) {
  char buf[12];
  utf8_clean(buf, sizeof buf, "a\xff\x01\tb\xc3\xa9", 7);
  CHECK_STR(buf, "a??\tb\xc3\xa9");
  utf8_clean(buf, sizeof buf,
             "\xc3\xa9"
             "12345678901",
             13);
  CHECK_STR(buf, "12345678901");
  utf8_clean(buf, sizeof buf,
             "\xc3\xa9"
             "1234567890",
             12);
  CHECK_STR(buf, "1234567890"); /* not half a character */
  CHECK(utf8_valid("\xf0\x9f\x98\x80", 4));
  CHECK(!utf8_valid("\xed\xa0\x80", 3));
  CHECK(!utf8_valid("\xc0\x80", 2));
  CHECK(!utf8_valid("\xf4\x90\x80\x80", 4));
  CHECK(!utf8_valid("a\0b", 3));
}
