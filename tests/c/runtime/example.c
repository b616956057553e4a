/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt.h"

/* The smallest agent of examples/, run as a program. */

static pid_t run_agent(const char *url, int *out) {
  int fds[2];
  pid_t pid;
  CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
  pid = fork();
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    execl(AGENT_MIN, "agent_min", url, (char *)NULL);
    _exit(127);
  }
  close(fds[1]);
  *out = fds[0];
  return pid;
}

static int status_of(pid_t pid) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(agent_min_connects_reports_and_stops) {
  stub *s = stub_new();
  int out;
  char line[200], last[200] = "";
  pid_t pid = run_agent(stub_url(s, true), &out);
  CHECK(stub_wait(s, 1));
  opamp_msg *m = stub_message(s, 0);
  CHECK_STR(rt_health_of(m), "running");
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION), 1);
  opamp_msg_free(m);
  kill(pid, SIGINT);
  CHECK_EQ(status_of(pid), 0);
  FILE *f = fdopen(out, "r");
  while (fgets(line, sizeof line, f) != NULL)
    snprintf(last, sizeof last, "%s", line);
  fclose(f);
  CHECK(strncmp(last, "stopped ", 8) == 0);
  m = stub_message(s, stub_messages(s) - 1);
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT), 1);
  opamp_msg_free(m);
  stub_free(s);
}

TEST(agent_min_says_what_is_wrong) {
  int out;
  pid_t pid = run_agent("nonsense", &out);
  CHECK_EQ(status_of(pid), 1);
  close(out);
}
