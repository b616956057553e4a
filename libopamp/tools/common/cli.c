/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- setters -------------------------------------------------------------- */

static void *member(const cli_option *o, void *target) {
  return (char *)target + o->at;
}

bool cli_parse_number(const char *text, uint64_t *out) {
  uint64_t n = 0;
  if (*text == '\0') return false;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    uint64_t digit = (uint64_t)(*text - '0');
    if (n > (UINT64_MAX - digit) / 10) return false;
    n = n * 10 + digit;
  }
  *out = n;
  return true;
}

bool cli_set_switch(const cli_option *o, void *target, const char *value,
                    char *why, size_t room) {
  (void)value, (void)why, (void)room;
  *(bool *)member(o, target) = true;
  return true;
}

bool cli_set_text(const cli_option *o, void *target, const char *value,
                  char *why, size_t room) {
  (void)why, (void)room;
  *(const char **)member(o, target) = value;
  return true;
}

bool cli_set_number(const cli_option *o, void *target, const char *value,
                    char *why, size_t room) {
  if (cli_parse_number(value, member(o, target))) return true;
  snprintf(why, room, "'%s' is no whole number", value);
  return false;
}

bool cli_add_text(const cli_option *o, void *target, const char *value,
                  char *why, size_t room) {
  cli_list *l = member(o, target);
  const char **grown = realloc(l->at, (l->n + 1) * sizeof *grown);
  if (grown == NULL) {
    snprintf(why, room, "does not fit into memory");
    return false;
  }
  l->at = grown;
  l->at[l->n++] = value;
  return true;
}

bool cli_set_choice(const cli_option *o, void *target, const char *value,
                    char *why, size_t room) {
  const char *choice = o->argument;
  size_t len = strlen(value);
  for (int i = 0;; i++) {
    size_t n = strcspn(choice, "|");
    if (n == len && memcmp(choice, value, n) == 0) {
      *(int *)member(o, target) = i;
      return true;
    }
    if (choice[n] == '\0') break;
    choice += n + 1;
  }
  snprintf(why, room, "'%s' is none of %s", value, o->argument);
  return false;
}

void cli_list_free(cli_list *l) {
  free(l->at);
  *l = (cli_list){0};
}

/* --- parsing -------------------------------------------------------------- */

int cli_usage(const cli_tool *tool, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "%s: ", tool->name);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\nTry '%s --help'.\n", tool->name);
  return CLI_EXIT_USAGE;
}

static const cli_option *find(const cli_tool *tool, const char *name,
                              size_t len) {
  for (const cli_option *const *t = tool->tables; *t != NULL; t++)
    for (const cli_option *o = *t; o->name != NULL; o++)
      if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
  return NULL;
}

const char *cli_dashes(const cli_option *o) {
  return o->name[1] == '\0' ? "-" : "--";
}

static int apply(const cli_tool *tool, void *target, const cli_option *o,
                 const char *value) {
  char why[300] = "";
  if (o->set(o, target, value, why, sizeof why)) return -1;
  /* Whether to repeat the value is for its setter: a header may be secret. */
  if (*o->name == '\0') return cli_usage(tool, "%s: %s", o->argument, why);
  return cli_usage(tool, "%s%s: %s", cli_dashes(o), o->name, why);
}

/* Whether `name` is one of the options that every tool has; they are done at
 * once, and `*code` is what to exit with. */
static bool built_in(const cli_tool *tool, const char *name, int *code) {
  if (strcmp(name, "help") == 0)
    cli_print_help(tool, stdout);
  else if (strcmp(name, "help-man") == 0)
    cli_print_man(tool, stdout);
  else if (strcmp(name, "version") == 0)
    cli_print_version(tool, stdout);
  else
    return false;
  /* A full disk or a closed pipe must not look like success. */
  *code = fflush(stdout) == 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
  return true;
}

/* An option and the value that stands in the same argument, or NULL; `*i` moves
 * on when the value is the next argument. */
static int take(const cli_tool *tool, void *target, const cli_option *o,
                const char *value, int argc, char **argv, int *i) {
  if (o->argument == NULL && value != NULL)
    return cli_usage(tool, "%s%s takes no value", cli_dashes(o), o->name);
  if (o->argument != NULL && value == NULL) {
    if (*i + 1 >= argc)
      return cli_usage(tool, "%s%s: %s is missing", cli_dashes(o), o->name,
                       o->argument);
    value = argv[++*i];
  }
  return apply(tool, target, o, value);
}

/* One argument that begins with "--". */
static int parse_long(const cli_tool *tool, void *target, int argc, char **argv,
                      int *i) {
  const char *name = argv[*i] + 2;
  size_t len = strcspn(name, "=");
  const char *value = name[len] == '=' ? name + len + 1 : NULL;
  int code;
  if (built_in(tool, name, &code)) return code;
  const cli_option *o = len > 1 ? find(tool, name, len) : NULL;
  if (o == NULL)
    return cli_usage(tool, "--%.*s: no such option", (int)len, name);
  return take(tool, target, o, value, argc, argv, i);
}

/* One that begins with "-" and a letter, which its value may follow. */
static int parse_short(const cli_tool *tool, void *target, int argc,
                       char **argv, int *i) {
  const char *name = argv[*i] + 1;
  const cli_option *o = find(tool, name, 1);
  if (o == NULL) return cli_usage(tool, "-%s: no such option", name);
  return take(tool, target, o, name[1] != '\0' ? name + 1 : NULL, argc, argv,
              i);
}

int cli_parse(const cli_tool *tool, void *target, int argc, char **argv) {
  const cli_option *rest = find(tool, "", 0);
  bool options = true;
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i];
    int code;
    if (options && strcmp(a, "--") == 0) {
      options = false;
      continue;
    }
    if (options && strcmp(a, "-h") == 0)
      built_in(tool, "help", &code);
    else if (options && strncmp(a, "--", 2) == 0)
      code = parse_long(tool, target, argc, argv, &i);
    else if (options && a[0] == '-' && a[1] != '\0')
      code = parse_short(tool, target, argc, argv, &i);
    else if (rest != NULL)
      code = apply(tool, target, rest, a);
    else
      code = cli_usage(tool, "%s: not understood", a);
    if (code >= 0) return code;
  }
  return -1;
}
