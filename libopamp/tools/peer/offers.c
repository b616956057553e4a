/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration directory: its files are the offer, and each change of
 * them makes a new one. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/file.h"
#include "peer/internal.h"

enum {
  SETTLE_MS = 50, /* several changes at once are one */
  RETRY_MS = 1000,
  DEPTH_MAX = 16,
  FILE_MAX = 32 * 1024 * 1024
};

/* One walk through the directory. */
typedef struct scan {
  offers *o;
  opamp_msg *map;
  const char *why; /* NULL: all is well */
  char where[PATH_MAX];
} scan;

static bool fail(scan *s, const char *where, const char *why) {
  snprintf(s->where, sizeof s->where, "%s", where);
  s->why = why;
  return false;
}

/* --- watching ------------------------------------------------------------- */

static void watch_closed(uv_handle_t *h) {
  peer *p = ((offers *)h->data)->peer;
  free(h);
  p->handles--;
  peer_check_stopped(p);
}

static void drop_watches(offers *o) {
  for (size_t i = 0; i < o->watch_count; i++)
    uv_close((uv_handle_t *)o->watches[i], watch_closed);
  free(o->watches);
  o->watches = NULL;
  o->watch_count = 0;
}

static void settled(uv_timer_t *t);

static void changed(uv_fs_event_t *h, const char *name, int events,
                    int status) {
  offers *o = h->data;
  (void)name, (void)events, (void)status;
  uv_timer_start(&o->settle, settled, SETTLE_MS, 0);
}

static bool watch(scan *s, const char *dir) {
  offers *o = s->o;
  uv_fs_event_t **list =
      realloc(o->watches, (o->watch_count + 1) * sizeof *list);
  if (list == NULL) return fail(s, dir, "out of memory");
  o->watches = list;
  uv_fs_event_t *h = malloc(sizeof *h);
  if (h == NULL) return fail(s, dir, "out of memory");
  uv_fs_event_init(o->peer->loop, h);
  h->data = o;
  o->peer->handles++;
  o->watches[o->watch_count++] = h;
  int rc = uv_fs_event_start(h, changed, dir, 0);
  return rc == 0 || fail(s, dir, uv_strerror(rc));
}

/* --- reading -------------------------------------------------------------- */

static const char *content_type(const char *name) {
  static const char *const types[][2] = {
      {".yaml", "text/yaml"},        {".yml", "text/yaml"},
      {".json", "application/json"}, {".toml", "application/toml"},
      {".xml", "application/xml"},   {".txt", "text/plain"},
      {".conf", "text/plain"},
  };
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
    if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
  return "";
}

static bool add_file(scan *s, const char *path, const char *name) {
  tool_buf body = {0};
  opamp_msg *file;
  const char *type = content_type(name);
  const char *why = tool_file_read(&body, path, FILE_MAX);
  bool ok = why == NULL || fail(s, path, why);
  if (ok && (opamp_msg_put(&file, s->map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                           (opamp_str){name, strlen(name)}) != 0 ||
             opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                                 (opamp_bytes){body.ptr, body.len}) != 0 ||
             opamp_msg_set_str(file, OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE,
                               (opamp_str){type, strlen(type)}) != 0))
    ok = fail(s, path, "no name or content for an offer");
  tool_buf_free(&body);
  return ok;
}

/* Reads a directory; `prefix` is its name below the first one, with a slash.
 * Hidden files and what editors leave behind are no configuration. */
static bool add_dir(scan *s, const char *dir, const char *prefix, int depth) {
  struct dirent *e;
  bool ok = depth < DEPTH_MAX || fail(s, dir, "nested too deeply");
  DIR *d = ok ? opendir(dir) : NULL;
  if (ok && d == NULL) ok = fail(s, dir, strerror(errno));
  ok = ok && watch(s, dir);
  while (ok && (e = readdir(d)) != NULL) {
    char path[PATH_MAX], name[PATH_MAX];
    struct stat st;
    size_t n = strlen(e->d_name);
    if (e->d_name[0] == '.' || e->d_name[n - 1] == '~') continue;
    if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >=
            (int)sizeof path ||
        snprintf(name, sizeof name, "%s%s", prefix, e->d_name) >=
            (int)sizeof name - 1) {
      ok = fail(s, dir, "path too long");
    } else if (stat(path, &st) != 0) {
      continue; /* gone in the meantime: a change will be told */
    } else if (S_ISDIR(st.st_mode)) {
      strcat(name, "/");
      ok = add_dir(s, path, name, depth + 1);
    } else if (S_ISREG(st.st_mode)) {
      ok = add_file(s, path, name);
    }
  }
  if (d != NULL) closedir(d);
  return ok;
}

/* Makes the offer from what is there now. On failure the last one stays. */
static bool load(offers *o, char *err, size_t errlen) {
  opamp_msg *offer = NULL;
  scan s = {.o = o};
  bool ok = opamp_msg_new(&offer, OPAMP_MSG_AGENT_REMOTE_CONFIG) == 0 &&
            opamp_msg_add(&s.map, offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG) == 0;
  drop_watches(o);
  ok = ok && add_dir(&s, o->dir, "", 0) &&
       reply_hash(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, s.map);
  if (!ok) {
    snprintf(err, errlen, "%s: %s", s.why != NULL ? s.where : o->dir,
             s.why != NULL ? s.why : "out of memory");
    opamp_msg_free(offer);
    return false;
  }
  opamp_bytes hash =
      opamp_msg_bytes(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0);
  tool_buf_clear(&o->hash);
  tool_buf_add(&o->hash, hash.ptr, hash.len);
  opamp_msg_free(o->offer);
  o->offer = offer;
  return true;
}

static void settled(uv_timer_t *t) {
  offers *o = t->data;
  peer *p = o->peer;
  char err[PATH_MAX + 100];
  if (!load(o, err, sizeof err)) {
    // Without the directory there is no watch on it either.
    uv_timer_start(&o->settle, settled, RETRY_MS, 0);
    if (!o->failing)
      peer_emit(
          p, "log",
          json_pack("{s:s, s:o}", "level", "warn", "message", peer_text(err)));
    o->failing = true;
    return;
  }
  o->failing = false;
  for (conn *c = p->first; c != NULL; c = c->next) reply_push_offer(c);
}

bool offers_start(offers *o, peer *p, const char *dir, char *err,
                  size_t errlen) {
  o->peer = p;
  o->dir = dir;
  o->running = true;
  uv_timer_init(p->loop, &o->settle);
  o->settle.data = o;
  p->handles++;
  return load(o, err, errlen);
}

static void settle_closed(uv_handle_t *h) {
  peer *p = ((offers *)h->data)->peer;
  p->handles--;
  peer_check_stopped(p);
}

void offers_stop(offers *o) {
  if (!o->running) return;
  o->running = false;
  drop_watches(o);
  uv_close((uv_handle_t *)&o->settle, settle_closed);
}
