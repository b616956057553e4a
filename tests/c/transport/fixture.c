/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { PATIENCE_MS = 20000, ARGS_MAX = 16 };

int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#ifdef UNDER_TSAN
/* It follows descriptors, but sees neither how libuv closes them (a bare system
 * call) nor how libwebsockets opens some (a checked variant of open). */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
  return "called_from_lib:libwebsockets.so\n";
}
#endif

/* --- the loop ------------------------------------------------------------- */

void world_open(world *w, uint32_t max_connections) {
  CHECK_EQ(opamp__reactor_new(&w->reactor), OPAMP_OK);
  CHECK_EQ(opamp__transport_new(&w->transport, w->reactor, max_connections),
           OPAMP_OK);
}

void world_close(world *w) {
  int64_t end = now_ms() + PATIENCE_MS;
  opamp__transport_shutdown(w->transport);
  while (!opamp__transport_idle(w->transport)) {
    opamp__reactor_step(w->reactor, 100);
    CHECK(now_ms() < end);
  }
  opamp__transport_free(w->transport);
  CHECK(opamp__reactor_free(w->reactor));
}

void run_until(world *w, const int *counter, int n) {
  int64_t end = now_ms() + PATIENCE_MS;
  while (*counter < n) {
    opamp__reactor_step(w->reactor, 200);
    CHECK(now_ms() < end);
  }
}

void run_for(world *w, int ms) {
  int64_t end = now_ms() + ms;
  while (now_ms() < end) opamp__reactor_step(w->reactor, (int)(end - now_ms()));
}

int open_files(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  CHECK(d != NULL);
  while (readdir(d) != NULL) n++;
  closedir(d);
  return n - 3; /* ".", ".." and the directory itself */
}

/* --- servers -------------------------------------------------------------- */

void server_start(server *s, const char *role, ...) {
  char script[512];
  char *args[ARGS_MAX] = {(char *)"python3", script, (char *)role};
  int in[2], out[2], n = 3;
  va_list list;
  snprintf(script, sizeof script, "%s/transport/peer.py", harness_source_dir());
  va_start(list, role);
  for (const char *a; (a = va_arg(list, const char *)) != NULL;)
    args[n++] = (char *)a;
  va_end(list);
  CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
  CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
  s->pid = fork();
  CHECK(s->pid >= 0);
  if (s->pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execvp(args[0], args);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  s->in = in[1];
  s->out = fdopen(out[0], "r");
  s->port = atoi(server_line(s, "port "));
}

const char *server_line(server *s, const char *beginning) {
  static char line[4096];
  CHECK(fgets(line, sizeof line, s->out) != NULL);
  line[strcspn(line, "\n")] = '\0';
  if (strncmp(line, beginning, strlen(beginning)) != 0)
    harness_fail(__FILE__, __LINE__, "the server says \"%s\", not \"%s…\"",
                 line, beginning);
  return line + strlen(beginning);
}

void server_stop(server *s) {
  close(s->in);
  waitpid(s->pid, NULL, 0);
  fclose(s->out);
}

/* --- certificates --------------------------------------------------------- */

static char cert_dir[64];

static void remove_certs(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", cert_dir);
  if (system(command) != 0) fputs("certificates are left\n", stderr);
}

static void make_certs(void) {
  char command[600];
  strcpy(cert_dir, "/tmp/opamp-certs-XXXXXX");
  CHECK(mkdtemp(cert_dir) != NULL);
  atexit(remove_certs);
  snprintf(command, sizeof command, "sh %s/transport/certs.sh %s",
           harness_source_dir(), cert_dir);
  CHECK_EQ(system(command), 0);
}

/* Texts live until the end: tests keep several of them. */
static const char *lasting(const char *text) {
  enum { MOST = 256 };
  static char *kept[MOST];
  size_t i = 0;
  for (; i < MOST && kept[i] != NULL; i++)
    if (strcmp(kept[i], text) == 0) return kept[i];
  CHECK(i < MOST);
  return kept[i] = strdup(text);
}

const char *cert_path(const char *name) {
  char path[256];
  if (cert_dir[0] == '\0') make_certs();
  snprintf(path, sizeof path, "%s/%s", cert_dir, name);
  return lasting(path);
}

const char *cert_option(const char *option, const char *name) {
  char text[300];
  snprintf(text, sizeof text, "%s=%s", option, cert_path(name));
  return lasting(text);
}

/* --- clients -------------------------------------------------------------- */

static void act(client *c, char in) {
  if (c->act_in != in || c->conn == NULL) return;
  opamp__conn *conn = c->conn;
  switch (c->act) {
    case 'a':
      c->conn = NULL;
      opamp__conn_abort(conn);
      break;
    case 'c':
      opamp__conn_close(conn, 1000);
      break;
    case 's':
      client_send_text(c, "again");
      break;
    default:
      break;
  }
}

static void on_opened(void *ctx) {
  client *c = (client *)ctx;
  c->opened++;
  act(c, 'o');
}

static void on_frame(void *ctx, const uint8_t *p, size_t n) {
  client *c = (client *)ctx;
  c->frames++;
  opamp__mem_fail_after(0);
  CHECK(opamp__buf_set(&c->frame, p, n));
  act(c, 'f');
}

static void on_alive(void *ctx) {
  client *c = (client *)ctx;
  c->alive++;
  act(c, 'a');
}

static void on_written(void *ctx) {
  client *c = (client *)ctx;
  c->written++;
  act(c, 'w');
}

static void keep(char *out, size_t size, opamp_str s) {
  snprintf(out, size, "%.*s", (int)s.len, s.ptr == NULL ? "" : s.ptr);
}

static void on_closed(void *ctx, const opamp__closed *e) {
  client *c = (client *)ctx;
  c->conn = NULL;
  c->closed++;
  c->why = e->why;
  c->http_status = e->http_status;
  c->close_code = e->close_code;
  keep(c->text, sizeof c->text, e->text);
  keep(c->location, sizeof c->location, e->location);
  keep(c->retry_after, sizeof c->retry_after, e->retry_after);
  keep(c->body, sizeof c->body, e->body);
}

static const opamp__sink sink = {on_opened, on_frame, on_alive, on_written,
                                 on_closed};

opamp_status client_try_open(client *c, world *w, const target *t) {
  char text[256];
  opamp__url url;
  opamp__proxy proxy = {0};
  if (t->proxy != NULL)
    CHECK_EQ(opamp__proxy_parse(&proxy, opamp__str(t->proxy)), OPAMP_OK);
  snprintf(text, sizeof text,
           strchr(t->host, ':') != NULL ? "%s://[%s]:%d%s" : "%s://%s:%d%s",
           t->scheme, t->host, t->port, t->path == NULL ? "/" : t->path);
  CHECK_EQ(opamp__url_parse(&url, opamp__str(text)), OPAMP_OK);
  opamp__endpoint ep = {
      .url = &url,
      .headers = t->headers,
      .instance_uid = "01890a5d-ac96-774b-bcce-b302099a8057",
      .tls = t->tls,
      .proxy = t->proxy != NULL ? &proxy : NULL,
      .max_receive = t->max_receive == 0 ? 1 << 20 : t->max_receive,
      .compress = t->compress,
      .numeric_hosts = t->numeric_hosts};
  opamp__mem_fail_after(t->fail_nth);
  opamp_status st = opamp__conn_open(&c->conn, w->transport, &ep, &sink, c);
  opamp__url_free(&url);
  opamp__proxy_free(&proxy);
  return st;
}

target at(const char *scheme, const server *s) {
  target t = {0};
  t.scheme = scheme;
  t.host = "127.0.0.1";
  t.port = s->port;
  t.path = "/v1/opamp";
  return t;
}

void client_open(client *c, world *w, const target *t) {
  CHECK_EQ(client_try_open(c, w, t), OPAMP_OK);
}

void client_send(client *c, const void *p, size_t n) {
  free(c->out);
  c->out = (uint8_t *)malloc(OPAMP__FRAME_ROOM + n + 1);
  CHECK(c->out != NULL);
  memcpy(c->out + OPAMP__FRAME_ROOM, p, n);
  c->out_len = n;
  CHECK_EQ(opamp__conn_send(c->conn, c->out + OPAMP__FRAME_ROOM, n), OPAMP_OK);
}

void client_send_text(client *c, const char *text) {
  client_send(c, text, strlen(text));
}

void client_reset(client *c) {
  opamp__conn_abort(c->conn);
  opamp__buf_free(&c->frame);
  free(c->out);
  memset(c, 0, sizeof *c);
}
