/* SPDX-License-Identifier: Apache-2.0 */
#include "stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNS = 512, HEAD = 4096, FIELDS = 16 };

typedef struct bytes {
  uint8_t *ptr;
  size_t len;
} bytes;

typedef struct conn {
  int fd;
  bool websocket, doomed;
  bytes in;
} conn;

struct stub {
  int fd, wake;
  uint16_t port;
  char urls[2][64];
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool quit, reset, down;
  stub_policy policy;
  void *ctx;
  conn conns[CONNS];
  size_t open, accepted;
  bytes *messages;
  size_t len;
  bytes view[FIELDS];
  bytes *pushes;
  size_t push_len;
  char head[HEAD];
};

/* --- bytes ---------------------------------------------------------------- */

static void append(bytes *b, const void *p, size_t n) {
  if (n == 0) return;
  b->ptr = realloc(b->ptr, b->len + n);
  memcpy(b->ptr + b->len, p, n);
  b->len += n;
}

static void drop_front(bytes *b, size_t n) {
  memmove(b->ptr, b->ptr + n, b->len - n);
  b->len -= n;
}

static bytes packed(const opamp_msg *m) {
  bytes b = {NULL, 0};
  (void)opamp_msg_pack(m, NULL, &b.len);
  b.ptr = malloc(b.len + 1);
  (void)opamp_msg_pack(m, b.ptr, &b.len);
  return b;
}

static void put(conn *c, const void *p, size_t n) {
  const uint8_t *at = p;
  while (n > 0) {
    ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);
    if (sent <= 0) {
      c->doomed = true;
      return;
    }
    at += sent;
    n -= (size_t)sent;
  }
}

/* --- one connection ------------------------------------------------------- */

static void end(stub *s, conn *c, bool reset) {
  const struct linger hard = {1, 0};
  if (reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(c->fd);
  free(c->in.ptr);
  *c = (conn){.fd = -1};
  s->open--;
  pthread_cond_broadcast(&s->changed);
}

static stub_deed ask(stub *s, stub_point at) {
  return s->policy == NULL ? STUB_SERVE : s->policy(s->ctx, at);
}

static void put_frame(conn *c, uint8_t opcode, const uint8_t *p, size_t n) {
  uint8_t head[10] = {(uint8_t)(0x80 | opcode), (uint8_t)n};
  size_t len = 2;
  if (n > 125) {
    head[1] = 126;
    head[2] = (uint8_t)(n >> 8);
    head[3] = (uint8_t)n;
    len = 4;
  }
  put(c, head, len);
  put(c, p, n);
}

static void put_status(conn *c, const char *status) {
  char text[200];
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 %s\r\nContent-Length: 0\r\n"
                   "Retry-After: 0\r\n\r\n",
                   status);
  put(c, text, (size_t)n);
}

/* One ServerToAgent. */
static void put_message(conn *c, bytes m) {
  if (c->websocket) {
    uint8_t *with = malloc(m.len + 1);
    with[0] = 0;
    memcpy(with + 1, m.ptr, m.len);
    put_frame(c, 2, with, m.len + 1);
    free(with);
  } else {
    char head[200];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/"
                     "x-protobuf\r\nContent-Length: %zu\r\n\r\n",
                     m.len);
    put(c, head, (size_t)n);
    put(c, m.ptr, m.len);
  }
}

static void put_error(conn *c, bool unavailable) {
  opamp_msg *m, *error, *retry;
  bytes out;
  opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  opamp_msg_add(&error, m, OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE);
  opamp_msg_set_str(error, OPAMP_SERVER_ERROR_RESPONSE_ERROR_MESSAGE,
                    (opamp_str){"stub", 4});
  if (unavailable) {
    opamp_msg_set_u64(error, OPAMP_SERVER_ERROR_RESPONSE_TYPE,
                      OPAMP_SERVER_ERROR_RESPONSE_TYPE_UNAVAILABLE);
    opamp_msg_add(&retry, error, OPAMP_SERVER_ERROR_RESPONSE_RETRY_INFO);
    opamp_msg_set_u64(retry, OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS, 1000000);
  }
  out = packed(m);
  put_message(c, out);
  free(out.ptr);
  opamp_msg_free(m);
}

static void learn(stub *s, const opamp_msg *m) {
  for (int f = 1; f < FIELDS; f++) {
    const opamp_msg *sub = opamp_msg_sub(m, f, 0);
    if (sub == NULL || opamp_msg_count(m, f) == 0) continue;
    free(s->view[f].ptr);
    s->view[f] = packed(sub);
  }
}

static void answer(stub *s, conn *c) {
  bytes empty = {(uint8_t *)"", 0};
  if (s->push_len == 0) {
    put_message(c, empty);
    return;
  }
  put_message(c, s->pushes[0]);
  free(s->pushes[0].ptr);
  memmove(s->pushes, s->pushes + 1, --s->push_len * sizeof *s->pushes);
}

static void got_message(stub *s, conn *c, const uint8_t *p, size_t n) {
  stub_deed deed = ask(s, STUB_MESSAGE);
  bytes copy = {NULL, 0};
  opamp_msg *m = NULL;
  append(&copy, p, n);
  s->messages = realloc(s->messages, (s->len + 1) * sizeof copy);
  s->messages[s->len++] = copy;
  pthread_cond_broadcast(&s->changed);
  switch (deed) {
    case STUB_RESET:
      end(s, c, true);
      return;
    case STUB_UNKNOWN:
    case STUB_UNAVAILABLE:
      put_error(c, deed == STUB_UNAVAILABLE);
      return;
    case STUB_REFUSE:
      if (c->websocket) break;
      put_status(c, "503 Service Unavailable");
      return;
    case STUB_CLOSE:
      if (!c->websocket) break;
      put_frame(c, 8, (const uint8_t *)"\x03\xf4", 2);
      return;
    default:
      break;
  }
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, (opamp_bytes){p, n}) ==
      OPAMP_OK)
    learn(s, m);
  opamp_msg_free(m);
  if (deed != STUB_MUTE) answer(s, c);
}

/* --- WebSocket ------------------------------------------------------------ */

/* One frame from the front; false when it is not whole yet. */
static bool read_frame(stub *s, conn *c) {
  const uint8_t *p = c->in.ptr;
  size_t head = 6, n, opcode;
  uint8_t *data;
  if (c->in.len < 6) return false;
  n = p[1] & 127;
  if (n == 126) {
    if (c->in.len < 8) return false;
    n = ((size_t)p[2] << 8) | p[3];
    head = 8;
  } else if (n == 127) {
    if (c->in.len < 14) return false;
    n = 0;
    for (int i = 2; i < 10; i++) n = n << 8 | p[i];
    head = 14;
  }
  if (c->in.len < head + n) return false;
  opcode = p[0] & 15;
  data = malloc(n + 1);
  for (size_t i = 0; i < n; i++) data[i] = p[head + i] ^ p[head - 4 + i % 4];
  drop_front(&c->in, head + n);
  if (opcode == 2 && n > 0) {
    got_message(s, c, data + 1, n - 1);
  } else if (opcode == 9) {
    put_frame(c, 10, data, n);
  } else if (opcode == 8) {
    put_frame(c, 8, data, n);
    end(s, c, false);
  }
  free(data);
  return c->fd >= 0;
}

/* --- HTTP ----------------------------------------------------------------- */

static bool find_header(const char *head, const char *name, char *buf,
                        size_t len) {
  size_t n = strlen(name);
  buf[0] = '\0';
  for (const char *at = strstr(head, "\r\n"); at != NULL;
       at = strstr(at + 2, "\r\n")) {
    if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':') continue;
    const char *value = at + 3 + n, *stop;
    while (*value == ' ') value++;
    stop = strstr(value, "\r\n");
    snprintf(buf, len, "%.*s", (int)(stop - value), value);
    return true;
  }
  return false;
}

static void upgrade(conn *c, const char *key) {
  char text[200], out[400];
  uint8_t digest[EVP_MAX_MD_SIZE], base64[64];
  int n = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                   key);
  EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL);
  EVP_EncodeBlock(base64, digest, 20);
  n = snprintf(out, sizeof out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
               (const char *)base64);
  put(c, out, (size_t)n);
  c->websocket = true;
}

static bool read_request(stub *s, conn *c) {
  char value[200];
  uint8_t *stop =
      c->in.len == 0 ? NULL : memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);
  size_t head, body;
  if (stop == NULL) return false;
  head = (size_t)(stop - c->in.ptr) + 4;
  snprintf(s->head, sizeof s->head, "%.*s", (int)head, (char *)c->in.ptr);
  find_header(s->head, "Content-Length", value, sizeof value);
  body = strtoul(value, NULL, 10);
  if (c->in.len < head + body) return false;
  stub_deed deed = ask(s, STUB_REQUEST);
  if (deed == STUB_RESET) {
    end(s, c, true);
    return false;
  }
  if (deed == STUB_REFUSE || deed == STUB_FORBID) {
    put_status(c, deed == STUB_REFUSE ? "503 Service Unavailable"
                                      : "401 Unauthorized");
    drop_front(&c->in, head + body);
    return true;
  }
  if (find_header(s->head, "Sec-WebSocket-Key", value, sizeof value)) {
    upgrade(c, value);
    drop_front(&c->in, head);
  } else {
    bytes message = {NULL, 0};
    append(&message, c->in.ptr + head, body);
    drop_front(&c->in, head + body);
    got_message(s, c, message.ptr, message.len);
    free(message.ptr);
  }
  return c->fd >= 0;
}

/* --- the thread ----------------------------------------------------------- */

static void on_readable(stub *s, conn *c) {
  uint8_t buf[16384];
  ssize_t n = recv(c->fd, buf, c->doomed ? 20 : sizeof buf, 0);
  if (n <= 0 || c->doomed) {
    end(s, c, c->doomed);
    return;
  }
  append(&c->in, buf, (size_t)n);
  while (c->websocket ? read_frame(s, c) : read_request(s, c)) continue;
}

static void on_accept(stub *s) {
  int fd = s->fd < 0 ? -1 : accept(s->fd, NULL, NULL);
  conn *c = s->conns;
  if (fd < 0) return;
  while (c < s->conns + CONNS && c->fd >= 0) c++;
  if (c == s->conns + CONNS) {
    close(fd);
    return;
  }
  *c = (conn){.fd = fd};
  s->open++;
  s->accepted++;
  c->doomed = ask(s, STUB_ACCEPTED) == STUB_RESET;
  pthread_cond_broadcast(&s->changed);
}

static void do_orders(stub *s) {
  uint64_t n;
  if (read(s->wake, &n, sizeof n) < 0) return;
  for (size_t i = 0; i < CONNS; i++) {
    conn *c = &s->conns[i];
    if (c->fd < 0) continue;
    if (s->reset) {
      end(s, c, true);
      continue;
    }
    for (size_t k = 0; c->websocket && k < s->push_len; k++)
      put_message(c, s->pushes[k]);
    if (c->websocket && s->push_len > 0) {
      for (size_t k = 0; k < s->push_len; k++) free(s->pushes[k].ptr);
      s->push_len = 0;
    }
  }
  s->reset = false;
  if (s->down && s->fd >= 0) {
    close(s->fd);
    s->fd = -1;
    pthread_cond_broadcast(&s->changed);
  }
}

static void *serve(void *arg) {
  stub *s = arg;
  struct pollfd fds[CONNS + 2];
  conn *who[CONNS + 2];
  pthread_mutex_lock(&s->mutex);
  while (!s->quit) {
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = s->wake, .events = POLLIN};
    for (size_t i = 0; i < CONNS; i++) {
      if (s->conns[i].fd < 0) continue;
      who[n] = &s->conns[i];
      fds[n++] = (struct pollfd){.fd = s->conns[i].fd, .events = POLLIN};
    }
    pthread_mutex_unlock(&s->mutex);
    poll(fds, n, -1);
    pthread_mutex_lock(&s->mutex);
    for (nfds_t i = 2; i < n; i++)
      if (fds[i].revents != 0 && who[i]->fd == fds[i].fd)
        on_readable(s, who[i]);
    if (fds[1].revents != 0) do_orders(s);
    if (fds[0].revents != 0) on_accept(s);
  }
  for (size_t i = 0; i < CONNS; i++)
    if (s->conns[i].fd >= 0) end(s, &s->conns[i], true);
  pthread_mutex_unlock(&s->mutex);
  return NULL;
}

static void wake(stub *s) {
  uint64_t one = 1;
  if (write(s->wake, &one, sizeof one) < 0) abort();
}

/* --- from outside --------------------------------------------------------- */

/* -1 when the port is taken. */
static int listen_on(uint16_t *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
  socklen_t len = sizeof a;
  const int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 511) != 0) {
    close(fd);
    return -1;
  }
  getsockname(fd, (struct sockaddr *)&a, &len);
  *port = ntohs(a.sin_port);
  return fd;
}

stub *stub_new(void) {
  stub *s = calloc(1, sizeof *s);
  /* Here and not in its thread, whose part of OpenSSL a child would lose. */
  OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
  s->fd = listen_on(&s->port);
  if (s->fd < 0) abort();
  snprintf(s->urls[0], sizeof s->urls[0], "http://127.0.0.1:%u/v1/opamp",
           s->port);
  snprintf(s->urls[1], sizeof s->urls[1], "ws://127.0.0.1:%u/v1/opamp",
           s->port);
  s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  for (size_t i = 0; i < CONNS; i++) s->conns[i].fd = -1;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_cond_init(&s->changed, NULL);
  pthread_create(&s->thread, NULL, serve, s);
  return s;
}

void stub_down(stub *s) {
  pthread_mutex_lock(&s->mutex);
  s->down = s->reset = true;
  wake(s);
  while (s->fd >= 0) pthread_cond_wait(&s->changed, &s->mutex);
  pthread_mutex_unlock(&s->mutex);
}

void stub_up(stub *s) {
  pthread_mutex_lock(&s->mutex);
  s->down = false;
  s->fd = listen_on(&s->port);
  if (s->fd < 0) abort();
  pthread_mutex_unlock(&s->mutex);
  wake(s);
}

void stub_free(stub *s) {
  pthread_mutex_lock(&s->mutex);
  s->quit = true;
  pthread_mutex_unlock(&s->mutex);
  wake(s);
  pthread_join(s->thread, NULL);
  if (s->fd >= 0) close(s->fd);
  close(s->wake);
  for (size_t i = 0; i < s->len; i++) free(s->messages[i].ptr);
  for (size_t i = 0; i < s->push_len; i++) free(s->pushes[i].ptr);
  for (size_t i = 0; i < FIELDS; i++) free(s->view[i].ptr);
  free(s->messages);
  free(s->pushes);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->mutex);
  free(s);
}

const char *stub_url(const stub *s, bool websocket) {
  return s->urls[websocket];
}

void stub_set_policy(stub *s, stub_policy policy, void *ctx) {
  pthread_mutex_lock(&s->mutex);
  s->policy = policy;
  s->ctx = ctx;
  pthread_mutex_unlock(&s->mutex);
}

void stub_push(stub *s, opamp_msg *m) {
  pthread_mutex_lock(&s->mutex);
  s->pushes = realloc(s->pushes, (s->push_len + 1) * sizeof *s->pushes);
  s->pushes[s->push_len++] = packed(m);
  pthread_mutex_unlock(&s->mutex);
  wake(s);
  opamp_msg_free(m);
}

void stub_reset_all(stub *s) {
  pthread_mutex_lock(&s->mutex);
  s->reset = true;
  pthread_mutex_unlock(&s->mutex);
  wake(s);
}

static size_t read_size(stub *s, const size_t *from) {
  size_t n;
  pthread_mutex_lock(&s->mutex);
  n = *from;
  pthread_mutex_unlock(&s->mutex);
  return n;
}

size_t stub_messages(stub *s) {
  return read_size(s, &s->len);
}

size_t stub_connections(stub *s) {
  return read_size(s, &s->open);
}

size_t stub_accepted(stub *s) {
  return read_size(s, &s->accepted);
}

opamp_msg *stub_message(stub *s, size_t i) {
  opamp_msg *m = NULL;
  pthread_mutex_lock(&s->mutex);
  if (i < s->len)
    (void)opamp_msg_parse(
        &m, OPAMP_MSG_AGENT_TO_SERVER,
        (opamp_bytes){s->messages[i].ptr, s->messages[i].len});
  pthread_mutex_unlock(&s->mutex);
  return m;
}

void stub_header(stub *s, const char *name, char *buf, size_t len) {
  pthread_mutex_lock(&s->mutex);
  find_header(s->head, name, buf, len);
  pthread_mutex_unlock(&s->mutex);
}

uint8_t *stub_view(stub *s, int field, size_t *len) {
  uint8_t *copy = NULL;
  *len = 0;
  pthread_mutex_lock(&s->mutex);
  if (s->view[field].ptr != NULL) {
    *len = s->view[field].len;
    copy = malloc(*len + 1);
    memcpy(copy, s->view[field].ptr, *len);
  }
  pthread_mutex_unlock(&s->mutex);
  return copy;
}

uint64_t stub_seq(stub *s, size_t i) {
  opamp_msg *m = stub_message(s, i);
  uint64_t n = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  opamp_msg_free(m);
  return n;
}

bool stub_wait(stub *s, size_t messages) {
  struct timespec t;
  bool ok;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_sec += 10;
  pthread_mutex_lock(&s->mutex);
  while (s->len < messages &&
         pthread_cond_timedwait(&s->changed, &s->mutex, &t) == 0)
    continue;
  ok = s->len >= messages;
  pthread_mutex_unlock(&s->mutex);
  return ok;
}

bool stub_numbers_ok(stub *s) {
  uint64_t last = 0;
  for (size_t i = 0; i < stub_messages(s); i++) {
    uint64_t n = stub_seq(s, i);
    if (i > 0 && n == last) {
      bool same;
      pthread_mutex_lock(&s->mutex);
      same = s->messages[i].len == s->messages[i - 1].len &&
             memcmp(s->messages[i].ptr, s->messages[i - 1].ptr,
                    s->messages[i].len) == 0;
      pthread_mutex_unlock(&s->mutex);
      if (!same) return false;
    } else if (i > 0 && n < last) {
      return false;
    }
    last = n;
  }
  return true;
}
