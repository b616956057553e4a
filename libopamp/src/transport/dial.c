/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

opamp__getaddrinfo_fn opamp__getaddrinfo = getaddrinfo;

/* How long an answer is good for another question, in ms. */
enum { FRESH_MS = 30000, STACK = 512 * 1024, KNOWN_MAX = 64 };

/* One question to the system, in one of the lists of `shared`. */
typedef struct job {
  struct job *next;
  char *host;
  opamp__addrs found;
  int error; /* of getaddrinfo */
  int saved_errno;
  int no_thread; /* the errno because of which nobody asked */
} job;

struct opamp__lookup {
  opamp__lookup *next;
  opamp__resolver *resolver;
  job *job;
  opamp__resolved_cb cb;
  void *ctx;
};

/* What the thread may touch: it outlives the resolver while a question hangs.
 * `reactor` is NULL from then on. */
typedef struct shared {
  pthread_mutex_t lock;
  opamp__reactor *reactor;
  job *asked, *asking, *answered;
  bool running;
} shared;

/* What is known of a name. */
typedef struct known {
  struct known *next;
  char *host;
  opamp__addrs addrs;
  opamp__addr worked; /* family 0: none did yet */
  bool fresh;
} known;

struct opamp__resolver {
  opamp__reactor *reactor;
  shared *shared;
  opamp__lookup *lookups;
  known *names; /* the latest first */
  opamp__timer *stale;
};

/* --- addresses ------------------------------------------------------------ */

void opamp__addr_text(const opamp__addr *a, char out[OPAMP__ADDR_TEXT]) {
  socklen_t len = a->any.sa_family == AF_INET ? sizeof a->v4 : sizeof a->v6;
  if (getnameinfo(&a->any, len, out, OPAMP__ADDR_TEXT, NULL, 0,
                  NI_NUMERICHOST) != 0)
    snprintf(out, OPAMP__ADDR_TEXT, "?");
}

bool opamp__addr_eq(const opamp__addr *a, const opamp__addr *b) {
  if (a->any.sa_family != b->any.sa_family) return false;
  if (a->any.sa_family == AF_INET)
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
         memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

/* Takes over what getaddrinfo found. */
static void collect(opamp__addrs *out, struct addrinfo *list) {
  memset(out, 0, sizeof *out);
  for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
    opamp__addr a = {0};
    if (out->len == OPAMP__ADDRS_MAX) break;
    if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
    memcpy(&a, i->ai_addr, i->ai_addrlen);
    bool twice = false;
    for (size_t k = 0; k < out->len; k++)
      twice = twice || opamp__addr_eq(&out->list[k], &a);
    if (!twice) out->list[out->len++] = a;
  }
  if (list != NULL) freeaddrinfo(list);
}

bool opamp__addr_numeric(const char *host, opamp__addrs *out) {
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST,
                                 .ai_socktype = SOCK_STREAM};
  struct addrinfo *list = NULL;
  if (getaddrinfo(host, NULL, &hints, &list) != 0) return false;
  collect(out, list);
  return out->len > 0;
}

int opamp__addr_unreachable(const opamp__addr *a, uint16_t port) {
  opamp__addr to = *a;
  socklen_t len = sizeof to.v4;
  if (to.any.sa_family == AF_INET) {
    to.v4.sin_port = htons(port);
  } else {
    to.v6.sin6_port = htons(port);
    len = sizeof to.v6;
  }
  /* Connecting a datagram socket only looks up the route. */
  int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int err = connect(fd, &to.any, len) == 0 ? 0 : errno;
  close(fd);
  return err;
}

/* --- the thread ----------------------------------------------------------- */

static void job_free(job *j) {
  if (j == NULL) return;
  opamp__free(j->host);
  opamp__free(j);
}

static void shared_free(shared *s) {
  while (s->asked != NULL) {
    job *j = s->asked;
    s->asked = j->next;
    job_free(j);
  }
  while (s->answered != NULL) {
    job *j = s->answered;
    s->answered = j->next;
    job_free(j);
  }
  pthread_mutex_destroy(&s->lock);
  opamp__free(s);
}

static void ask(job *j) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *list = NULL;
  j->error = opamp__getaddrinfo(j->host, NULL, &hints, &list);
  j->saved_errno = errno;
  collect(&j->found, j->error == 0 ? list : NULL);
}

static void *resolve_thread(void *arg) {
  shared *s = (shared *)arg;
  pthread_mutex_lock(&s->lock);
  while (s->reactor != NULL && s->asked != NULL) {
    job *j = s->asked;
    s->asked = j->next;
    s->asking = j;
    pthread_mutex_unlock(&s->lock);
    ask(j);
    pthread_mutex_lock(&s->lock);
    s->asking = NULL;
    j->next = s->answered;
    s->answered = j;
    if (s->reactor != NULL) opamp__reactor_wake(s->reactor);
  }
  s->running = false;
  bool last = s->reactor == NULL;
  pthread_mutex_unlock(&s->lock);
  if (last) shared_free(s);
  return NULL;
}

/* With the lock held. An errno, 0 when the thread runs. */
static int start_thread(shared *s) {
  if (s->running) return 0;
  pthread_attr_t attr;
  pthread_t thread;
  sigset_t all, old;
  int error = pthread_attr_init(&attr);
  if (error != 0) return error;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, STACK);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  error = pthread_create(&thread, &attr, resolve_thread, s);
  s->running = error == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attr);
  return error;
}

/* --- what is known -------------------------------------------------------- */

static known *find(opamp__resolver *r, const char *host) {
  for (known *k = r->names; k != NULL; k = k->next)
    if (strcasecmp(k->host, host) == 0) return k;
  return NULL;
}

static void known_free(known *k) {
  opamp__free(k->host);
  opamp__free(k);
}

static void forget_oldest(opamp__resolver *r) {
  size_t n = 0;
  for (known **at = &r->names; *at != NULL; at = &(*at)->next) {
    if (++n <= KNOWN_MAX) continue;
    known_free(*at);
    *at = NULL;
    return;
  }
}

/* The one that worked last goes to the front. */
static void put_first(opamp__addrs *a, const opamp__addr *worked) {
  for (size_t i = 1; i < a->len; i++) {
    if (!opamp__addr_eq(&a->list[i], worked)) continue;
    opamp__addr first = a->list[i];
    memmove(&a->list[1], &a->list[0], i * sizeof a->list[0]);
    a->list[0] = first;
    return;
  }
}

static void remember(opamp__resolver *r, job *j) {
  known *k = find(r, j->host);
  if (k == NULL) {
    k = (known *)opamp__calloc(1, sizeof *k);
    if (k == NULL) return;
    k->host = opamp__strndup(j->host, strlen(j->host));
    if (k->host == NULL) {
      opamp__free(k);
      return;
    }
    k->next = r->names;
    r->names = k;
    forget_oldest(r);
  }
  put_first(&j->found, &k->worked);
  k->addrs = j->found;
  k->fresh = true;
  opamp__timer_set(r->stale, FRESH_MS);
}

static void all_stale(void *ctx) {
  opamp__resolver *r = (opamp__resolver *)ctx;
  for (known *k = r->names; k != NULL; k = k->next) k->fresh = false;
}

bool opamp__resolver_fresh(opamp__resolver *r, const char *host,
                           opamp__addrs *out) {
  const known *k = find(r, host);
  if (k == NULL || !k->fresh) return false;
  *out = k->addrs;
  put_first(out, &k->worked);
  return true;
}

void opamp__resolver_worked(opamp__resolver *r, const char *host,
                            const opamp__addr *a) {
  known *k = find(r, host);
  if (k != NULL) k->worked = *a;
}

/* --- lookups -------------------------------------------------------------- */

static void unlink_lookup(opamp__lookup *l) {
  opamp__lookup **at = &l->resolver->lookups;
  while (*at != l) at = &(*at)->next;
  *at = l->next;
}

static void answer_lookups(opamp__resolver *r, const job *j) {
  char text[256] = "";
  if (j->no_thread != 0)
    snprintf(text, sizeof text, "no thread to look up %s: %s", j->host,
             strerror(j->no_thread));
  else if (j->error != 0)
    snprintf(text, sizeof text, "no address for %s: %s", j->host,
             j->error == EAI_SYSTEM ? strerror(j->saved_errno)
                                    : gai_strerror(j->error));
  else if (j->found.len == 0)
    snprintf(text, sizeof text, "no address for %s", j->host);
  /* From the start after each: a callback may open and cancel lookups. */
  for (opamp__lookup *l = r->lookups; l != NULL;) {
    if (l->job != j) {
      l = l->next;
      continue;
    }
    opamp__resolved_cb cb = l->cb;
    void *ctx = l->ctx;
    unlink_lookup(l);
    opamp__free(l);
    cb(ctx, text[0] == '\0' ? &j->found : NULL, text);
    l = r->lookups;
  }
}

static void woken(void *ctx) {
  opamp__resolver *r = (opamp__resolver *)ctx;
  pthread_mutex_lock(&r->shared->lock);
  job *list = r->shared->answered;
  r->shared->answered = NULL;
  pthread_mutex_unlock(&r->shared->lock);
  while (list != NULL) {
    job *j = list;
    list = j->next;
    if (j->error == 0 && j->found.len > 0) remember(r, j);
    answer_lookups(r, j);
    job_free(j);
  }
}

static job *in_list(job *list, const char *host) {
  while (list != NULL && strcasecmp(list->host, host) != 0) list = list->next;
  return list;
}

/* With the lock held. A question that was asked already, also by someone who
 * no longer waits for it, is not asked again: it may be hanging. */
static job *same_question(const shared *s, const char *host) {
  job *j = in_list(s->answered, host);
  if (j == NULL) j = in_list(s->asked, host);
  if (j == NULL && s->asking != NULL && strcasecmp(s->asking->host, host) == 0)
    j = s->asking;
  return j;
}

/* With the lock held. */
static job *new_question(shared *s, const char *host) {
  job *j = (job *)opamp__calloc(1, sizeof *j);
  if (j == NULL) return NULL;
  j->host = opamp__strndup(host, strlen(host));
  job **at = &s->asked;
  while (*at != NULL) at = &(*at)->next;
  if (j->host == NULL) {
    job_free(j);
    return NULL;
  }
  *at = j;
  j->no_thread = start_thread(s);
  if (j->no_thread != 0) {
    *at = NULL;
    j->next = s->answered;
    s->answered = j;
    opamp__reactor_wake(s->reactor);
  }
  return j;
}

static job *job_for(opamp__resolver *r, const char *host) {
  shared *s = r->shared;
  pthread_mutex_lock(&s->lock);
  job *j = same_question(s, host);
  if (j == NULL) j = new_question(s, host);
  pthread_mutex_unlock(&s->lock);
  return j;
}

opamp__lookup *opamp__resolve(opamp__resolver *r, const char *host,
                              opamp__resolved_cb cb, void *ctx) {
  opamp__lookup *l = (opamp__lookup *)opamp__calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->job = job_for(r, host);
  if (l->job == NULL) {
    opamp__free(l);
    return NULL;
  }
  l->resolver = r;
  l->cb = cb;
  l->ctx = ctx;
  l->next = r->lookups;
  r->lookups = l;
  return l;
}

void opamp__lookup_cancel(opamp__lookup *l) {
  if (l == NULL) return;
  unlink_lookup(l);
  opamp__free(l);
}

/* --- life ----------------------------------------------------------------- */

opamp_status opamp__resolver_new(opamp__resolver **out, opamp__reactor *r) {
  opamp__resolver *n = (opamp__resolver *)opamp__calloc(1, sizeof *n);
  shared *s = (shared *)opamp__calloc(1, sizeof *s);
  bool ok = n != NULL && s != NULL;
  *out = NULL;
  if (ok) {
    n->stale = opamp__reactor_timer(r, all_stale, n);
    ok = n->stale != NULL && opamp__reactor_on_wake(r, woken, n);
  }
  if (!ok || pthread_mutex_init(&s->lock, NULL) != 0) {
    if (ok) opamp__reactor_off_wake(r, woken, n);
    if (n != NULL) opamp__timer_free(n->stale);
    opamp__free(s);
    opamp__free(n);
    return opamp__nomem();
  }
  n->reactor = r;
  n->shared = s;
  s->reactor = r;
  *out = n;
  return OPAMP_OK;
}

void opamp__resolver_free(opamp__resolver *r) {
  if (r == NULL) return;
  shared *s = r->shared;
  opamp__reactor_off_wake(r->reactor, woken, r);
  opamp__timer_free(r->stale);
  while (r->names != NULL) {
    known *k = r->names;
    r->names = k->next;
    known_free(k);
  }
  if (s != NULL) {
    pthread_mutex_lock(&s->lock);
    s->reactor = NULL;
    bool last = !s->running;
    pthread_mutex_unlock(&s->lock);
    if (last) shared_free(s);
  }
  opamp__free(r);
}

void opamp__resolver_orphan(opamp__resolver *r) {
  shared *s = r->shared;
  opamp__reactor_off_wake(r->reactor, woken, r);
  /* The thread was in the middle of a change: what it has is lost. */
  if (pthread_mutex_trylock(&s->lock) != 0) {
    r->shared = NULL;
    return;
  }
  s->running = false;
  job_free(s->asking);
  s->asking = NULL;
  pthread_mutex_unlock(&s->lock);
}
