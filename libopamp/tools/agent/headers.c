/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/agent.h"
#include "agent/child.h"

/* The headers in use are those of the options, with those of the last run of
 * --header-command over them, with those of set_header over both. A layer
 * replaces all headers of the names it has. */

enum { COMMAND_TIMEOUT_MS = 30000, OUTPUT_MAX = 65536 };

typedef struct header {
  char *name;
  char *value; /* NULL: removed */
} header;

typedef struct layer {
  header *at;
  size_t n;
} layer;

enum { OPTIONS, COMMAND, CONTROL, LAYERS };

struct headers {
  agent *a;
  layer layers[LAYERS];
  child *running;
  wait_cb done;
  void *user_data;
};

static void header_free(header *h) {
  free(h->name);
  free(h->value);
}

static void layer_free(layer *l) {
  for (size_t i = 0; i < l->n; i++) header_free(&l->at[i]);
  free(l->at);
  *l = (layer){0};
}

static bool layer_add(layer *l, const char *name, const char *value) {
  header *grown = realloc(l->at, (l->n + 1) * sizeof *grown);
  if (grown == NULL) return false;
  l->at = grown;
  header h = {strdup(name), value != NULL ? strdup(value) : NULL};
  if (h.name == NULL || (value != NULL && h.value == NULL)) {
    header_free(&h);
    return false;
  }
  l->at[l->n++] = h;
  return true;
}

/* Adds a line "K: V"; false when it is none, or memory ran out. */
static bool layer_add_line(layer *l, const char *line) {
  size_t name_len, len;
  const char *value;
  if (!header_split(line, &name_len, &value, &len)) return false;
  char *name = strndup(line, name_len), *text = strndup(value, len);
  bool ok = name != NULL && text != NULL && layer_add(l, name, text);
  free(name);
  free(text);
  return ok;
}

/* --- giving them to the client -------------------------------------------- */

static bool covered(const headers *h, int which, const char *name) {
  for (int i = which + 1; i < LAYERS; i++)
    for (size_t k = 0; k < h->layers[i].n; k++)
      if (strcasecmp(h->layers[i].at[k].name, name) == 0) return true;
  return false;
}

static opamp_status use(headers *h) {
  size_t most = 0, n = 0;
  for (int i = 0; i < LAYERS; i++) most += h->layers[i].n;
  const char **names = calloc(2 * most + 1, sizeof *names);
  if (names == NULL) return OPAMP_ERR_NOMEM;
  const char **values = names + most;
  for (int i = 0; i < LAYERS; i++) {
    for (size_t k = 0; k < h->layers[i].n; k++) {
      const header *at = &h->layers[i].at[k];
      if (at->value == NULL || covered(h, i, at->name)) continue;
      names[n] = at->name;
      values[n++] = at->value;
    }
  }
  opamp_status s = opamp_client_set_headers(h->a->client, names, values, n);
  free(names);
  return s;
}

/* Makes `fresh` the layer and gives the old one back in it; when the client
 * refuses the headers nothing has changed. */
static opamp_status use_layer(headers *h, int which, layer *fresh) {
  layer old = h->layers[which];
  h->layers[which] = *fresh;
  opamp_status s = use(h);
  if (s == OPAMP_OK)
    *fresh = old;
  else
    h->layers[which] = old;
  return s;
}

opamp_status headers_set(headers *h, const char *name, const char *value) {
  layer fresh = {0}, old = h->layers[CONTROL];
  opamp_status s = OPAMP_ERR_NOMEM;
  bool ok = true;
  for (size_t i = 0; ok && i < old.n; i++) {
    const header *at = &old.at[i];
    if (strcasecmp(at->name, name) != 0)
      ok = layer_add(&fresh, at->name, at->value);
  }
  if (ok && layer_add(&fresh, name, value)) s = use_layer(h, CONTROL, &fresh);
  layer_free(&fresh);
  return s;
}

/* --- --header-command ----------------------------------------------------- */

static void take_output(headers *h, char *text) {
  layer fresh = {0};
  bool ok = true;
  size_t number = 0;
  for (char *line; ok && (line = strsep(&text, "\n")) != NULL;) {
    number++;
    if (*line != '\0' && strcmp(line, "\r") != 0)
      ok = layer_add_line(&fresh, line);
  }
  if (!ok)
    out_log(h->a, OPAMP_LOG_ERROR,
            "--header-command: line %zu is not 'Name: value'", number);
  else if (use_layer(h, COMMAND, &fresh) != OPAMP_OK)
    out_log(h->a, OPAMP_LOG_ERROR, "--header-command: %s", opamp_errmsg());
  layer_free(&fresh);
}

static void command_done(void *user_data, const child_result *r) {
  headers *h = user_data;
  h->running = NULL;
  char *text = strdup(r->output);
  if (r->exit_code == 0 && text != NULL) {
    take_output(h, text);
  } else {
    char how[80]; /* its output may hold secrets */
    child_result silent = *r;
    silent.output_len = 0;
    child_describe(&silent, how, sizeof how);
    out_log(h->a, OPAMP_LOG_ERROR, "--header-command: %s", how);
  }
  free(text);
  wait_cb done = h->done;
  h->done = NULL;
  if (done != NULL) done(h->user_data);
}

void headers_refresh(headers *h, wait_cb done, void *user_data) {
  if (h->running != NULL) return; /* what it brings is fresh enough */
  if (h->a->options.header_command != NULL) {
    child_spec spec = {h->a->options.header_command, NULL, COMMAND_TIMEOUT_MS,
                       OUTPUT_MAX, CHILD_OUTPUT_PARTED};
    h->running = child_start(&h->a->waits, &spec, command_done, h);
    if (h->running != NULL) {
      h->done = done;
      h->user_data = user_data;
      return;
    }
    out_log(h->a, OPAMP_LOG_ERROR, "--header-command: %s", strerror(errno));
  }
  if (done != NULL) done(user_data);
}

headers *headers_new(agent *a) {
  headers *h = calloc(1, sizeof *h);
  if (h == NULL) return NULL;
  h->a = a;
  for (size_t i = 0; i < a->options.connection.headers.n; i++) {
    if (layer_add_line(&h->layers[OPTIONS],
                       a->options.connection.headers.at[i]))
      continue;
    headers_free(h);
    return NULL;
  }
  return h;
}

void headers_free(headers *h) {
  if (h == NULL) return;
  child_kill(h->running);
  for (int i = 0; i < LAYERS; i++) layer_free(&h->layers[i]);
  free(h);
}
