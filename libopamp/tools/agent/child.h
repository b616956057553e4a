/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_CHILD_H
#define OPAMP_AGENT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wait.h"

/* A shell command that runs beside the agent: in a process group of its own,
 * with default signals and no descriptor but the three standard ones; standard
 * input is /dev/null. Nothing waits for it. */

typedef struct child child;

/* Whose its output is. */
enum {
  CHILD_OUTPUT_KEPT,   /* both are for the result */
  CHILD_OUTPUT_PARTED, /* stdout is for the result, stderr is ours */
  CHILD_OUTPUT_STDERR  /* both are our stderr */
};

typedef struct child_spec {
  const char *command;    /* for /bin/sh -c */
  const char *const *env; /* "NAME=VALUE"s to add, ended by NULL; or NULL */
  uint64_t timeout_ms;    /* then its process group is killed; 0: never */
  size_t keep;            /* that much of the end of its output is kept */
  int output;             /* CHILD_OUTPUT_… */
} child_spec;

typedef struct child_result {
  int exit_code; /* -1 unless it exited */
  int signal;    /* 0 unless one ended it */
  bool timed_out;
  const char *output; /* NUL-terminated, any bytes */
  size_t output_len;
} child_result;

typedef void (*child_cb)(void *user_data, const child_result *r);

/* Starts it; `done` is called once, when it has ended, and the child is gone
 * then. NULL with errno when it could not be started. */
child *child_start(waits *w, const child_spec *spec, child_cb done,
                   void *user_data);

/* Kills its process group and forgets it; `done` is not called. NULL is
 * fine. */
void child_kill(child *c);

/* Forgets it and lets it run. NULL is fine. */
void child_forget(child *c);

/* How it ended, in words ("exit status 3", "killed by signal 9", "timed out");
 * then its output when there is any: ": …". What is not printable text becomes
 * '?', so that it can be sent as a string. */
void child_describe(const child_result *r, char *buf, size_t room);

#endif
