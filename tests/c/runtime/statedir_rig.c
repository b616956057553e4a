/* SPDX-License-Identifier: Apache-2.0 */
#include "statedir_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "opamp/options.h"

char rig_notes[2000];

void rig_note(void *ctx, int level, const char *text) {
  size_t n = strlen(rig_notes);
  CHECK(ctx == rig_notes);
  CHECK_EQ(level, OPAMP_LOG_WARN);
  CHECK(strchr(text, '\n') == NULL);
  snprintf(rig_notes + n, sizeof rig_notes - n, "%s\n", text);
}

void rig_fresh(void) {
  place_fresh("statedir");
  rig_notes[0] = '\0';
}

const char *rig_path(const char *name) {
  char below[200];
  snprintf(below, sizeof below, "state/%s", name);
  return place_path(below);
}

opamp__statedir *rig_open(void) {
  opamp__statedir *s;
  if (opamp__statedir_open(&s, place_path("state"), rig_note, rig_notes) !=
      OPAMP_OK)
    harness_fail(__FILE__, __LINE__, "open: %s", opamp_errmsg());
  return s;
}

opamp_status rig_try(const char *name) {
  opamp__statedir *s;
  opamp_status status =
      opamp__statedir_open(&s, place_path(name), rig_note, rig_notes);
  CHECK((s != NULL) == (status == OPAMP_OK));
  opamp__statedir_close(s);
  return status;
}

opamp_status rig_save(opamp__statedir *s, const char *key, const char *text) {
  return opamp__statedir_save(s, key, opamp_bytes_of(text, strlen(text)));
}

const char *rig_load(opamp__statedir *s, const char *key) {
  static char text[600];
  opamp__buf b = {0};
  opamp_status status = opamp__statedir_load(s, key, &b);
  if (status == OPAMP_ERR_NOTFOUND)
    snprintf(text, sizeof text, "(none)");
  else if (status != OPAMP_OK)
    snprintf(text, sizeof text, "(%d: %s)", (int)status, opamp_errmsg());
  else
    snprintf(text, sizeof text, "%.*s", (int)b.len,
             b.len > 0 ? (const char *)b.ptr : "");
  opamp__buf_wipe_free(&b);
  return text;
}

size_t rig_bytes(const char *name, uint8_t *bytes, size_t room) {
  int fd = open(rig_path(name), O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  ssize_t n = read(fd, bytes, room);
  close(fd);
  CHECK(n >= 0 && (size_t)n < room);
  return (size_t)n;
}

void rig_put(const char *name, const void *bytes, size_t n) {
  int fd = open(rig_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  ssize_t done = write(fd, bytes, n);
  close(fd);
  CHECK_EQ(done, n);
}

mode_t rig_mode(const char *name) {
  struct stat st;
  CHECK_EQ(lstat(rig_path(name), &st), 0);
  return st.st_mode;
}

static int by_text(const void *a, const void *b) {
  return strcmp(a, b);
}

const char *rig_names(void) {
  static char text[600];
  static char names[32][64];
  struct dirent *e;
  size_t n = 0;
  DIR *d = opendir(place_path("state"));
  text[0] = '\0';
  if (d == NULL) return text;
  while ((e = readdir(d)) != NULL && n < 32)
    if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0)
      snprintf(names[n++], sizeof names[0], "%.60s", e->d_name);
  closedir(d);
  qsort(names, n, sizeof names[0], by_text);
  for (size_t i = 0; i < n; i++) strcat(strcat(text, names[i]), " ");
  return text;
}

void rig_says(const char *got, const char *part) {
  if (strstr(got, part) == NULL)
    harness_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", got, part);
}
