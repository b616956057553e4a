/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/files.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

opamp_status files_open(files *f, int form, const char *path) {
  *f = (files){.form = form};
  return form == FILES_KEPT ? opamp_configdir_open(&f->dir, path) : OPAMP_OK;
}

void files_close(files *f) {
  files_remove_private(f);
  opamp_configdir_free(f->dir);
  opamp_msg_free(f->good);
  *f = (files){0};
}

/* --- the private directory ------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at) {
  (void)st, (void)type, (void)at;
  remove(path);
  return 0;
}

void files_remove_private(files *f) {
  if (f->form != FILES_PRIVATE || f->temporary == NULL) return;
  opamp_configdir_free(f->dir);
  f->dir = NULL;
  nftw(f->temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
  free(f->temporary);
  f->temporary = NULL;
}

static opamp_status open_private(files *f) {
  char path[4096];
  const char *tmp = getenv("TMPDIR");
  if (tmp == NULL || *tmp != '/' || strlen(tmp) > 4000) tmp = "/tmp";
  files_remove_private(f);
  snprintf(path, sizeof path, "%s/opamp-agent-XXXXXX", tmp);
  f->temporary = mkdtemp(path) != NULL ? strdup(path) : NULL;
  if (f->temporary == NULL) {
    snprintf(f->why, sizeof f->why, "temporary directory %.200s: %s", path,
             strerror(errno));
    return OPAMP_ERR_IO;
  }
  strcat(path, "/files");
  return opamp_configdir_open(&f->dir, path);
}

/* --- sets ----------------------------------------------------------------- */

opamp_status files_place(files *f, const opamp_msg *offer) {
  opamp_status s = OPAMP_OK;
  f->why[0] = '\0';
  if (f->form == FILES_PRIVATE) s = open_private(f);
  if (s == OPAMP_OK && f->dir != NULL)
    s = opamp_configdir_replace(f->dir, offer);
  return s;
}

opamp_status files_keep(files *f, const opamp_msg *offer) {
  opamp_msg *copy;
  opamp_status s = opamp_msg_dup(&copy, offer);
  if (s != OPAMP_OK) return s;
  if (f->form == FILES_KEPT) s = opamp_configdir_commit(f->dir);
  if (s != OPAMP_OK) {
    opamp_msg_free(copy);
    return s;
  }
  opamp_msg_free(f->good);
  f->good = copy;
  return OPAMP_OK;
}

opamp_status files_restore(files *f, bool *any) {
  *any = f->form == FILES_KEPT || f->good != NULL;
  if (f->form == FILES_KEPT) return opamp_configdir_rollback(f->dir);
  files_remove_private(f);
  return f->good != NULL ? files_place(f, f->good) : OPAMP_OK;
}

const char *files_why(const files *f) {
  return f->why[0] != '\0' ? f->why : opamp_errmsg();
}

const char *files_path(const files *f) {
  return f->dir != NULL ? opamp_configdir_path(f->dir) : NULL;
}

static opamp_status copy_object(opamp_msg *to, const opamp_msg *from,
                                size_t i) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  static const int texts[] = {OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE,
                              OPAMP_AGENT_CONFIG_OBJECT_ROLE};
  const opamp_msg *o = opamp_msg_sub(from, field, i);
  opamp_msg *copy;
  opamp_status s =
      opamp_msg_put(&copy, to, field, opamp_msg_key(from, field, i));
  if (s == OPAMP_OK)
    s = opamp_msg_set_bytes(
        copy, OPAMP_AGENT_CONFIG_OBJECT_BODY,
        opamp_msg_bytes(o, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0));
  for (size_t k = 0; s == OPAMP_OK && k < 2; k++)
    s = opamp_msg_set_str(copy, texts[k], opamp_msg_str(o, texts[k], 0));
  return s;
}

opamp_status files_effective(files *f, opamp_msg **out) {
  opamp_msg *m, *map;
  *out = NULL;
  if (f->form == FILES_KEPT) return opamp_configdir_read(f->dir, out);
  if (f->good == NULL) return OPAMP_OK;
  const opamp_msg *from =
      opamp_msg_sub(f->good, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
  opamp_status s = opamp_msg_new(&m, OPAMP_MSG_EFFECTIVE_CONFIG);
  if (s != OPAMP_OK) return s;
  s = opamp_msg_add(&map, m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  size_t n = opamp_msg_count(from, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP);
  for (size_t i = 0; s == OPAMP_OK && i < n; i++) s = copy_object(map, from, i);
  if (s == OPAMP_OK)
    *out = m;
  else
    opamp_msg_free(m);
  return s;
}
