/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "place.h"

static const int changing[] = {
#ifdef SYS_open
    SYS_rename,    SYS_mkdir,     SYS_rmdir,     SYS_unlink,    SYS_link,
    SYS_symlink,   SYS_creat,     SYS_chmod,     SYS_chown,     SYS_lchown,
    SYS_mknod,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2, SYS_mkdirat,   SYS_unlinkat,  SYS_linkat,    SYS_symlinkat,
    SYS_mknodat,   SYS_fchmod,    SYS_fchmodat,  SYS_fchown,    SYS_fchownat,
    SYS_write,     SYS_pwrite64,  SYS_writev,    SYS_ftruncate, SYS_truncate,
    SYS_fsync,     SYS_fdatasync, SYS_fallocate, SYS_utimensat,
};

static bool changes(unsigned long long number, unsigned long long flags) {
  bool opens = number == SYS_openat;
  for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
    if (number == (unsigned long long)changing[i]) return true;
  return opens && (flags & (O_CREAT | O_TRUNC)) != 0;
}

/* Whether the process is at the beginning of a call that counts. */
static bool at_call(pid_t pid, place_calls counted) {
  struct __ptrace_syscall_info info = {0};
  CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
  return info.op == PTRACE_SYSCALL_INFO_ENTRY &&
         (counted == PLACE_ALL_CALLS ||
          changes(info.entry.nr, info.entry.args[2]));
}

bool place_killed_at(int n, place_calls counted, opamp_status (*what)(void *),
                     void *ctx) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(what(ctx) == OPAMP_OK ? 0 : 1);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, NULL,
                  (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
           0);
  while (WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == (SIGTRAP | 0x80) && at_call(pid, counted) &&
        --n == 0)
      CHECK_EQ(kill(pid, SIGKILL), 0);
    else
      CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
  }
  if (WIFSIGNALED(status)) return true;
  CHECK_EQ(WEXITSTATUS(status), 0);
  return false;
}
