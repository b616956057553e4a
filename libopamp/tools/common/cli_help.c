/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "opamp/types.h"

/* What a table of options says about itself: --help, the man page and
 * --version. */

enum { COLUMN = 28, WIDTH = 79 };

static const cli_option built_in[] = {
    {"help", NULL, "Help", "Prints this text.", NULL, NULL, 0, 0},
    {"version", NULL, NULL,
     "Prints the versions of the tool, the library, "
     "the specification and the libraries underneath.",
     NULL, NULL, 0, 0},
    CLI_END};

static const char exit_status[] =
    "0 after a clean stop, 1 when it failed while running, 2 for wrong usage, "
    "3 when it could not start.";

static const char *fallback(const cli_tool *tool, const cli_option *o,
                            char *buf, size_t room) {
  if (o->fallback != NULL) return o->fallback;
  return tool->fallback_of != NULL ? tool->fallback_of(o, buf, room) : NULL;
}

/* What stands beside an option: its help, its default, and whether it works.
 * The caller frees; NULL when out of memory. */
static char *remark(const cli_tool *tool, const cli_option *o) {
  char room[64], *text = NULL;
  size_t len;
  const char *def = fallback(tool, o, room, sizeof room);
  FILE *f = open_memstream(&text, &len);
  if (f == NULL) return NULL;
  fputs(o->help, f);
  if (def != NULL) fprintf(f, " Default: %s.", def);
  if (fclose(f) == 0) return text;
  free(text);
  return NULL;
}

/* Words of `text`, broken at WIDTH, continued at column `indent`; `at` is the
 * column the first one begins in. */
static void wrap(FILE *out, const char *text, int at, int indent) {
  bool first = true;
  while (*(text += strspn(text, " ")) != '\0') {
    int n = (int)strcspn(text, " ");
    if (!first && at + 1 + n > WIDTH) {
      fprintf(out, "\n%*s", indent, "");
      at = indent;
    } else if (!first) {
      fputc(' ', out);
      at++;
    }
    fprintf(out, "%.*s", n, text);
    at += n;
    text += n;
    first = false;
  }
  fputc('\n', out);
}

static void paragraphs(FILE *out, const char *text,
                       void (*each)(FILE *out, const char *line)) {
  while (*text != '\0') {
    size_t n = strcspn(text, "\n");
    char *line = strndup(text, n);
    if (line != NULL) each(out, line);
    free(line);
    text += n + (text[n] == '\n');
  }
}

static void help_paragraph(FILE *out, const char *line) {
  fputc('\n', out);
  wrap(out, line, 0, 0);
}

static void help_options(const cli_tool *tool, const cli_option *o, FILE *out) {
  for (; o->name != NULL; o++) {
    if (*o->name == '\0') continue;
    if (o->group != NULL) fprintf(out, "\n%s:\n", o->group);
    int n = fprintf(out, "  %s%s%s%s", cli_dashes(o), o->name,
                    o->argument != NULL ? " " : "",
                    o->argument != NULL ? o->argument : "");
    if (n + 2 > COLUMN) {
      fputc('\n', out);
      n = 0;
    }
    fprintf(out, "%*s", COLUMN - n, "");
    char *text = remark(tool, o);
    wrap(out, text != NULL ? text : o->help, COLUMN, COLUMN);
    free(text);
  }
}

void cli_print_help(const cli_tool *tool, FILE *out) {
  fprintf(out, "%s: %s\n\nUsage: %s %s\n", tool->name, tool->summary,
          tool->name, tool->synopsis);
  paragraphs(out, tool->description, help_paragraph);
  for (const cli_option *const *t = tool->tables; *t != NULL; t++)
    help_options(tool, *t, out);
  help_options(tool, built_in, out);
  fputs("\nExit status: ", out);
  wrap(out, exit_status, 13, 0);
}

/* --- roff ----------------------------------------------------------------- */

/* A hyphen is meant as typed, a control character at the start of a line is
 * not meant as one. */
static void roff(FILE *out, const char *text) {
  if (*text == '.' || *text == '\'') fputs("\\&", out);
  for (; *text != '\0'; text++) {
    if (*text == '\\')
      fputs("\\e", out);
    else if (*text == '-')
      fputs("\\-", out);
    else
      fputc(*text, out);
  }
}

static void roff_paragraph(FILE *out, const char *line) {
  fputs(".PP\n", out);
  roff(out, line);
  fputc('\n', out);
}

static void roff_options(const cli_tool *tool, const cli_option *o, FILE *out) {
  for (; o->name != NULL; o++) {
    if (*o->name == '\0') continue;
    if (o->group != NULL) fprintf(out, ".SS \"%s\"\n", o->group);
    fputs(".TP\n.B \"", out);
    roff(out, cli_dashes(o));
    roff(out, o->name);
    if (o->argument != NULL) {
      fputs("\\fR \\fI", out);
      roff(out, o->argument);
    }
    fputs("\"\n", out);
    char *text = remark(tool, o);
    roff(out, text != NULL ? text : o->help);
    fputc('\n', out);
    free(text);
  }
}

void cli_print_man(const cli_tool *tool, FILE *out) {
  fprintf(out, ".TH \"%s\" 1 \"\" \"libopamp %s\" \"OpAMP\"\n", tool->name,
          opamp_version_text());
  fputs(".SH NAME\n", out);
  roff(out, tool->name);
  fputs(" \\- ", out);
  roff(out, tool->summary);
  fputs("\n.SH SYNOPSIS\n.B ", out);
  roff(out, tool->name);
  fputs("\n", out);
  roff(out, tool->synopsis);
  fputs("\n.SH DESCRIPTION\n", out);
  paragraphs(out, tool->description, roff_paragraph);
  fputs(".SH OPTIONS\n", out);
  for (const cli_option *const *t = tool->tables; *t != NULL; t++)
    roff_options(tool, *t, out);
  roff_options(tool, built_in, out);
  fputs(".SH \"EXIT STATUS\"\n", out);
  roff(out, exit_status);
  fputc('\n', out);
}

void cli_print_version(const cli_tool *tool, FILE *out) {
  /* The library that was loaded need not be the one the tool came with. */
  fprintf(out, "%s %s, libopamp %s, OpAMP specification %s\n%s\n", tool->name,
          OPAMP_TOOLS_VERSION, opamp_version_text(), opamp_spec_version(),
          opamp_version_details());
}
