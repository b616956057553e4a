/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

/* To be preloaded: while the file $CHAOS_NAMES is there, one question in three
 * for an address fails, in all the ways of failing, and is noted in it by one
 * byte. */

typedef int (*resolver)(const char *, const char *, const struct addrinfo *,
                        struct addrinfo **);

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *req, struct addrinfo **pai) {
  static const int errors[] = {EAI_AGAIN, EAI_NONAME, EAI_FAIL, EAI_MEMORY};
  static unsigned asked;
  /* Names only: what is numeric is no question. */
  const char *path = req != NULL && (req->ai_flags & AI_NUMERICHOST) != 0
                         ? NULL
                         : getenv("CHAOS_NAMES");
  int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd >= 0) {
    unsigned n = __atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
    ssize_t noted = n % 3 == 0 ? write(fd, "x", 1) : 0;
    close(fd);
    if (noted == 1) return errors[n / 3 % (sizeof errors / sizeof *errors)];
  }
  /* As dlsym is told to be used by POSIX, which ISO C cannot express. */
  union {
    void *found;
    resolver call;
  } next = {dlsym(RTLD_NEXT, "getaddrinfo")};
  return next.found == NULL ? EAI_SYSTEM : next.call(name, service, req, pai);
}
