/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_configdir_rig.h"
#include "harness.h"

/* A process that is killed at every system call that can change a file system:
 * before it is done, so that each state in between is seen. The one that comes
 * after it to tidy up is killed as well. */

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

static bool at_change(pid_t pid) {
  struct __ptrace_syscall_info info = {0};
  CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
  return info.op == PTRACE_SYSCALL_INFO_ENTRY &&
         changes(info.entry.nr, info.entry.args[2]);
}

/* Runs `what` in a child that is killed at the n-th change. Whether it was; if
 * not, it came to its end. */
static bool killed_at(int n, opamp_status (*what)(volatile int *phase),
                      volatile int *phase) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(what(phase) == OPAMP_OK ? 0 : 1);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, NULL,
                  (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
           0);
  while (WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == (SIGTRAP | 0x80) && at_change(pid) && --n == 0)
      CHECK_EQ(kill(pid, SIGKILL), 0);
    else
      CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
  }
  if (WIFSIGNALED(status)) return true;
  CHECK_EQ(WEXITSTATUS(status), 0);
  return false;
}

static opamp_status tidy(volatile int *phase) {
  opamp_configdir *d;
  (void)phase; /* the one that was killed tells */
  opamp_status s = opamp_configdir_open(&d, rig_dir);
  opamp_configdir_free(d);
  return s;
}

TEST(killed_at_every_system_call) {
  volatile int *phase = mmap(NULL, sizeof *phase, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(phase != MAP_FAILED);
  int n = 0, phases = 0;
  bool killed = true;
  while (killed) {
    char when[60];
    rig_before_life();
    killed = killed_at(++n, rig_life, phase);
    killed_at(n % 16 + 1, tidy, phase);
    snprintf(when, sizeof when, "killed at change %d, in phase %d", n, *phase);
    rig_after_life(*phase, false, when);
    phases |= 1 << *phase;
  }
  CHECK_EQ(phases, (1 << (RIG_PHASES + 1)) - 1);
  CHECK(n > 100);
  munmap((void *)phase, sizeof *phase);
}
