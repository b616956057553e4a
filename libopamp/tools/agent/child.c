/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/utf8.h"

extern char **environ;

struct child {
  waits *w;
  child_cb done;
  void *user_data;
  pid_t pid;
  bool timed_out;
  wait_fd ended; /* the pidfd */
  wait_fd output;
  wait_timer deadline;
  size_t keep, len;
  char tail[]; /* keep + 1 */
};

/* --- starting ------------------------------------------------------------- */

/* Our environment with `extra` in front and without what that replaces. */
static const char **environment(const char *const *extra) {
  size_t n = 0, m = 0, k = 0;
  while (environ[n] != NULL) n++;
  while (extra != NULL && extra[m] != NULL) m++;
  const char **env = calloc(n + m + 1, sizeof *env);
  if (env == NULL) return NULL;
  for (; k < m; k++) env[k] = extra[k];
  for (size_t i = 0; i < n; i++) {
    bool replaced = false;
    size_t len = strcspn(environ[i], "=") + 1;
    for (size_t j = 0; j < m && !replaced; j++)
      replaced = strncmp(environ[i], extra[j], len) == 0;
    if (!replaced) env[k++] = environ[i];
  }
  return env;
}

/* In the child, where only what is safe in a signal handler may be called. Not
 * posix_spawn: it leaves two signals ignored. */
static void become(const char *command, const char *const *env, int out,
                   int err) {
  const char *argv[] = {"sh", "-c", command, NULL};
  struct sigaction standard = {.sa_handler = SIG_DFL};
  sigset_t none;
  setpgid(0, 0);
  for (int s = 1; s < NSIG; s++) sigaction(s, &standard, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
    _exit(126);
  close_range(3, ~0U, 0);
  execve("/bin/sh", (char **)argv, (char **)env);
  _exit(127);
}

/* 0 or errno. */
static int spawn(const child_spec *spec, int out, pid_t *pid) {
  const char **env = environment(spec->env);
  if (env == NULL) return ENOMEM;
  int to = spec->output == CHILD_OUTPUT_STDERR ? STDERR_FILENO : out;
  int err = spec->output == CHILD_OUTPUT_KEPT ? out : STDERR_FILENO;
  *pid = fork();
  if (*pid == 0) become(spec->command, env, to, err);
  int e = *pid < 0 ? errno : 0;
  /* Here as well, so that a deadline finds the group whoever ran first. */
  if (e == 0) setpgid(*pid, *pid);
  free(env);
  return e;
}

/* --- while it runs -------------------------------------------------------- */

static void keep_tail(child *c, const char *bytes, size_t n) {
  if (n > c->keep) {
    bytes += n - c->keep;
    n = c->keep;
  }
  size_t over = c->len + n > c->keep ? c->len + n - c->keep : 0;
  memmove(c->tail, c->tail + over, c->len - over);
  c->len -= over;
  memcpy(c->tail + c->len, bytes, n);
  c->len += n;
}

/* Takes what is there; false at the end. */
static bool read_output(child *c) {
  char buf[4096];
  for (;;) {
    ssize_t n = read(c->output.fd, buf, sizeof buf);
    if (n > 0)
      keep_tail(c, buf, (size_t)n);
    else if (n == 0 || errno != EINTR)
      return n < 0 && errno == EAGAIN;
  }
}

static void on_output(void *user_data) {
  child *c = user_data;
  if (read_output(c)) return;
  close(c->output.fd);
  wait_remove(c->w, &c->output);
}

static void release(child *c) {
  wait_cancel(c->w, &c->deadline);
  if (c->output.ready != NULL) close(c->output.fd);
  wait_remove(c->w, &c->output);
  if (c->ended.ready != NULL) close(c->ended.fd);
  wait_remove(c->w, &c->ended);
  free(c);
}

/* The shell has ended. Something it left in the background may hold the output
 * open for ever, so what is there now is all. */
static void on_ended(void *user_data) {
  child *c = user_data;
  int status = 0;
  pid_t got = waitpid(c->pid, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return;
  if (c->output.ready != NULL) read_output(c);
  c->tail[c->len] = '\0';
  child_result r = {-1, 0, c->timed_out, c->tail, c->len};
  if (got > 0 && WIFEXITED(status)) r.exit_code = WEXITSTATUS(status);
  if (got > 0 && WIFSIGNALED(status)) r.signal = WTERMSIG(status);
  c->done(c->user_data, &r);
  release(c);
}

static void on_deadline(void *user_data) {
  child *c = user_data;
  c->timed_out = true;
  kill(-c->pid, SIGKILL);
}

child *child_start(waits *w, const child_spec *spec, child_cb done,
                   void *user_data) {
  int out[2] = {-1, -1}, pidfd = -1, e = 0;
  child *c = calloc(1, sizeof *c + spec->keep + 1);
  if (c == NULL) return NULL;
  *c = (child){.w = w, .done = done, .user_data = user_data};
  c->keep = spec->keep;
  if (pipe2(out, O_CLOEXEC) != 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) != 0) {
    e = errno;
    goto failed;
  }
  e = spawn(spec, out[1], &c->pid);
  if (e != 0) goto failed;
  close(out[1]);
  out[1] = -1;
  pidfd = pidfd_open(c->pid, 0);
  if (pidfd < 0) {
    e = errno;
    kill(-c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    goto failed;
  }
  wait_add(w, &c->output, out[0], on_output, c);
  wait_add(w, &c->ended, pidfd, on_ended, c);
  if (spec->timeout_ms > 0)
    wait_in(w, &c->deadline, spec->timeout_ms, on_deadline, c);
  return c;
failed:
  if (out[0] >= 0) close(out[0]);
  if (out[1] >= 0) close(out[1]);
  free(c);
  errno = e;
  return NULL;
}

void child_kill(child *c) {
  if (c == NULL) return;
  kill(-c->pid, SIGKILL);
  child_forget(c);
}

void child_forget(child *c) {
  if (c == NULL) return;
  /* Should it end later, it stays a zombie until the agent ends, which is what
   * the agent is about to do when it forgets a command. */
  waitpid(c->pid, NULL, WNOHANG);
  release(c);
}

void child_describe(const child_result *r, char *buf, size_t room) {
  int n;
  if (r->timed_out)
    n = snprintf(buf, room, "timed out");
  else if (r->signal != 0)
    n = snprintf(buf, room, "killed by signal %d", r->signal);
  else
    n = snprintf(buf, room, "exit status %d", r->exit_code);
  size_t len = r->output_len;
  while (len > 0 && (r->output[len - 1] == '\n' || r->output[len - 1] == ' '))
    len--;
  if (len == 0 || n < 0 || (size_t)n + 3 >= room) return;
  memcpy(buf + n, ": ", 2);
  utf8_clean(buf + n + 2, room - (size_t)n - 2, r->output, len);
}
