/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_CLI_H
#define OPAMP_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The command line of a tool, from one table: parsing, --help, the man page.
 * --help, -h, --version and the hidden --help-man are in every tool and in no
 * table. */

/* Exit codes of every tool. */
enum {
  CLI_EXIT_OK = 0,
  CLI_EXIT_FAILED = 1, /* while running */
  CLI_EXIT_USAGE = 2,  /* wrong usage */
  CLI_EXIT_START = 3   /* could not start */
};

typedef struct cli_option cli_option;

/* Takes one value; `value` is NULL for a switch, and lives as long as argv.
 * False: it is wrong, and `why` says so ("'x' is no whole number"), to be read
 * after the option's name; with the value, unless that may be secret. */
typedef bool (*cli_setter)(const cli_option *o, void *target, const char *value,
                           char *why, size_t room);

struct cli_option {
  const char *name;     /* without dashes, of which a single letter has one;
                           "" takes what is no option; NULL ends the table */
  const char *argument; /* "FILE"; NULL: a switch */
  const char *group;    /* heading in --help, NULL: that of the row before */
  const char *help;     /* one or more sentences */
  const char *fallback; /* the default as text; NULL: none */
  cli_setter set;
  size_t at; /* offsetof the member of the target that is set */
  int key;   /* for setters of the tool's own */
};

#define CLI_END \
  { NULL, NULL, NULL, NULL, NULL, NULL, 0, 0 }

typedef struct cli_tool {
  const char *name;          /* "opamp-agent" */
  const char *summary;       /* "one OpAMP agent as a program" */
  const char *synopsis;      /* "[options] URL" */
  const char *description;   /* paragraphs, each ended by a line feed */
  const cli_option *const *tables; /* of options; ends with NULL */
  /* The default of a row without `fallback`, in `buf`, or NULL. May be NULL. */
  const char *(*fallback_of)(const cli_option *o, char *buf, size_t room);
} cli_tool;

/* A repeatable option's values, in order. Zero-initialise it. */
typedef struct cli_list {
  const char **at;
  size_t n;
} cli_list;

/* Parses argv into `target`. -1: go on; otherwise the exit code, everything
 * having been printed. */
int cli_parse(const cli_tool *tool, void *target, int argc, char **argv);

/* Prints "<tool>: …" and where help is to stderr; returns CLI_EXIT_USAGE. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int cli_usage(const cli_tool *tool, const char *fmt, ...);

void cli_list_free(cli_list *l);

/* --- setters; the member at `at` is a … ----------------------------------- */

bool cli_set_switch(const cli_option *o, void *target, const char *value,
                    char *why, size_t room); /* bool */
bool cli_set_text(const cli_option *o, void *target, const char *value,
                  char *why, size_t room); /* const char * */
bool cli_set_number(const cli_option *o, void *target, const char *value,
                    char *why, size_t room); /* uint64_t, decimal */
bool cli_add_text(const cli_option *o, void *target, const char *value,
                  char *why, size_t room); /* cli_list */
/* int: the place, from 0, of the value in the argument "a|b|c". */
bool cli_set_choice(const cli_option *o, void *target, const char *value,
                    char *why, size_t room);

/* --- parts, for tests and setters ----------------------------------------- */

/* Decimal digits only, no overflow. */
bool cli_parse_number(const char *text, uint64_t *out);

/* What stands before the name of an option. */
const char *cli_dashes(const cli_option *o);

void cli_print_help(const cli_tool *tool, FILE *out);
void cli_print_man(const cli_tool *tool, FILE *out);
void cli_print_version(const cli_tool *tool, FILE *out);

#endif
