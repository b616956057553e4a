/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/options.h"
#include "common/cli.h"
#include "harness.h"

/* The table of options: what it parses, refuses and prints. */

typedef struct settings {
  bool loud;
  const char *file;
  uint64_t count;
  cli_list names;
  int color;
  const char *rest;
} settings;

#define AT(member) offsetof(settings, member)
static const cli_option table[] = {
    {"", "URL", NULL, "", NULL, cli_set_text, AT(rest), 0},
    {"loud", NULL, "First", "Makes noise.", NULL, cli_set_switch, AT(loud), 0},
    {"file", "FILE", NULL, "Reads it.", "none", cli_set_text, AT(file), 0},
    {"count", "N", NULL, "Counts.", NULL, cli_set_number, AT(count), 0},
    {"name", "NAME", "Second", "One more.", NULL, cli_add_text, AT(names), 0},
    {"color", "red|green", NULL, "Paints.", "red", cli_set_choice, AT(color),
     0},
    CLI_END};
static const cli_option more[] = {
    {"n", "N", "More", "Counts, too.", NULL, cli_set_number, AT(count), 0},
    CLI_END};
static const cli_option *const tables[] = {table, more, NULL};

static const char *count_default(const cli_option *o, char *buf, size_t room) {
  if (strcmp(o->name, "count") != 0) return NULL;
  snprintf(buf, room, "%d", 42);
  return buf;
}

static const cli_tool tool = {"tool",          "a tool", "[options] URL",
                              "What it is.\n", tables,   count_default};

/* Parses; what went to stderr is in `said`. */
static char said[2000];

static int parse(const cli_tool *t, void *target, int n, const char **words) {
  char *argv[20] = {(char *)(uintptr_t) "tool"};
  char path[] = "/tmp/agent_cli.XXXXXX";
  int fd = mkstemp(path), before = dup(STDERR_FILENO);
  CHECK(fd >= 0 && before >= 0);
  unlink(path);
  for (int i = 0; i < n; i++) argv[i + 1] = (char *)(uintptr_t)words[i];
  fflush(stderr);
  dup2(fd, STDERR_FILENO);
  int code = cli_parse(t, target, n + 1, argv);
  fflush(stderr);
  dup2(before, STDERR_FILENO);
  ssize_t len = pread(fd, said, sizeof said - 1, 0);
  said[len > 0 ? len : 0] = '\0';
  close(fd);
  close(before);
  return code;
}

#define PARSE(target, ...)                                             \
  parse(&tool, target,                                                 \
        (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
        (const char *[]){__VA_ARGS__})

TEST(both_spellings_of_a_value) {
  settings s = {0};
  CHECK_EQ(PARSE(&s, "--file", "a", "--count=7", "--loud", "ws://x"), -1);
  CHECK_STR(s.file, "a");
  CHECK_EQ(s.count, 7);
  CHECK(s.loud);
  CHECK_STR(s.rest, "ws://x");
  CHECK_EQ(PARSE(&s, "--file=b=c", "--file="), -1);
  CHECK_STR(s.file, "");
}

TEST(a_letter_has_one_dash) {
  settings s = {0};
  CHECK_EQ(PARSE(&s, "-n", "7"), -1);
  CHECK_EQ(s.count, 7);
  CHECK_EQ(PARSE(&s, "-n8"), -1);
  CHECK_EQ(s.count, 8);
}

TEST(repeated_values_keep_their_order) {
  settings s = {0};
  CHECK_EQ(PARSE(&s, "--name=one", "--name", "--two", "--color", "green"), -1);
  CHECK_EQ(s.names.n, 2);
  CHECK_STR(s.names.at[0], "one");
  CHECK_STR(s.names.at[1], "--two");
  CHECK_EQ(s.color, 1);
  cli_list_free(&s.names);
}

TEST(two_dashes_end_the_options) {
  settings s = {0};
  CHECK_EQ(PARSE(&s, "--", "--loud"), -1);
  CHECK(!s.loud);
  CHECK_STR(s.rest, "--loud");
}

static void refused(int code, const char *text) {
  CHECK_EQ(code, CLI_EXIT_USAGE);
  if (strstr(said, text) == NULL)
    harness_check_str(__FILE__, __LINE__, "stderr", said, text);
  CHECK(strstr(said, "tool: ") == said);
}

TEST(wrong_usage_says_what_and_where) {
  settings s = {0};
  refused(PARSE(&s, "--nope"), "--nope: no such option");
  refused(PARSE(&s, "--nope=1"), "--nope: no such option");
  refused(PARSE(&s, "-x"), "-x: no such option");
  refused(PARSE(&s, "--n", "1"), "--n: no such option");
  refused(PARSE(&s, "-n"), "-n: N is missing");
  refused(PARSE(&s, "-nx"), "-n: 'x' is no whole number");
  refused(PARSE(&s, "--fil", "a"), "--fil: no such option");
  refused(PARSE(&s, "--=a"), "--: no such option");
  refused(PARSE(&s, "--file"), "--file: FILE is missing");
  refused(PARSE(&s, "--loud=yes"), "--loud takes no value");
  refused(PARSE(&s, "--count", "12x"), "--count: '12x' is no whole number");
  refused(PARSE(&s, "--count="), "--count: '' is no whole number");
  refused(PARSE(&s, "--count=-1"), "is no whole number");
  refused(PARSE(&s, "--color", "blue"), "'blue' is none of red|green");
  refused(PARSE(&s, "--color", "re"), "'re' is none of");
}

TEST(numbers_end_where_64_bits_do) {
  uint64_t n;
  CHECK(cli_parse_number("18446744073709551615", &n));
  CHECK(n == UINT64_MAX);
  CHECK(!cli_parse_number("18446744073709551616", &n));
  CHECK(!cli_parse_number(" 1", &n));
}

static char *printed(const cli_tool *t,
                     void (*print)(const cli_tool *t, FILE *out)) {
  static char text[30000];
  FILE *f = fmemopen(text, sizeof text, "w");
  CHECK(f != NULL);
  print(t, f);
  CHECK_EQ(fclose(f), 0);
  return text;
}

TEST(help_has_groups_and_defaults) {
  char *help = printed(&tool, cli_print_help);
  const char *first = strstr(help, "\nFirst:\n");
  CHECK(first != NULL && strstr(first, "\nSecond:\n") != NULL);
  CHECK(strstr(help, "  --file FILE ") != NULL);
  CHECK(strstr(help, "\n  -n N ") != NULL);
  CHECK(strstr(help, "Counts. Default: 42.") != NULL);
  CHECK(strstr(help, "Paints. Default: red.") != NULL);
  for (char *line = strtok(help, "\n"); line != NULL; line = strtok(NULL, "\n"))
    CHECK(strlen(line) <= 80);
}

TEST(man_page_is_the_same_text_in_roff) {
  char *man = printed(&tool, cli_print_man);
  CHECK(strstr(man, ".TH \"tool\" 1 ") == man);
  CHECK(strstr(man, ".SS \"Second\"\n") != NULL);
  CHECK(strstr(man, "\\-\\-file\\fR \\fIFILE") != NULL);
  CHECK(strstr(man, "Counts. Default: 42.") != NULL);
  CHECK(strstr(man, ".SH \"EXIT STATUS\"") != NULL);
}

TEST(version_names_everything_underneath) {
  char *text = printed(&tool, cli_print_version);
  static const char *const parts[] = {
      "tool ",          "libopamp ", "specification ", "libcurl 7",
      "libwebsockets ", "OpenSSL 3", "libuv 1",        "protobuf-c 1"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    CHECK(strstr(text, parts[i]) != NULL);
}

/* --- opamp-agent's own table ---------------------------------------------- */

/* A value that an option takes. */
static const char *sample(const cli_option *o) {
  static const struct {
    const char *name, *value;
  } special[] = {{"instance-uid", "0192b4a5-0000-7000-8000-000000000001"},
                 {"identify", "a=b"},
                 {"describe", "a="},
                 {"header", "A: b"},
                 {"capabilities", "+ReportsOwnLogs,-ReportsHealth"},
                 {"compression", "auto"},
                 {"certificate-renew-percent", "50"},
                 {"answer", "pending"},
                 {"log", "debug"},
                 {"proxy-header", "X: y"},
                 {"tls-min", "1.3"},
                 {"tls-max", "1.3"},
                 {"ciphers", "TLS_AES_128_GCM_SHA256"}};
  for (size_t i = 0; i < sizeof special / sizeof *special; i++)
    if (strcmp(special[i].name, o->name) == 0) return special[i].value;
  return strcmp(o->argument, "MS") == 0 || strcmp(o->argument, "BYTES") == 0
             ? "100000"
             : "x";
}

/* What an option is no use without. */
static const char *other_half(const char *name) {
  if (strcmp(name, "cert") == 0) return "--key=x";
  return strcmp(name, "key") == 0 ? "--cert=x" : NULL;
}

static int agent_parse(agent_options *o, int n, const char **words) {
  char *argv[20] = {(char *)(uintptr_t) "opamp-agent"};
  for (int i = 0; i < n; i++) argv[i + 1] = (char *)(uintptr_t)words[i];
  return agent_options_parse(o, n + 1, argv);
}

static void try_option(const cli_option *o, const char *help) {
  char name[80];
  agent_options options;
  snprintf(name, sizeof name, "\n  --%s%s", o->name,
           o->argument != NULL ? " " : "");
  CHECK(strstr(help, name) != NULL);
  snprintf(name, sizeof name, "--%s", o->name);
  const char *words[4] = {"ws://h", name};
  int n = 2;
  if (o->argument != NULL) words[n++] = sample(o);
  if (other_half(o->name) != NULL) words[n++] = other_half(o->name);
  int code = agent_parse(&options, n, words);
  if (code != -1) harness_fail(__FILE__, __LINE__, "--%s: %d", o->name, code);
  agent_options_free(&options);
}

TEST(every_option_of_the_agent_is_in_its_help_and_works) {
  char *help = printed(&agent_tool, cli_print_help);
  int seen = 0;
  for (const cli_option *const *t = agent_tool.tables; *t != NULL; t++) {
    for (const cli_option *o = *t; o->name != NULL; o++) {
      if (*o->name == '\0') continue;
      try_option(o, help);
      seen++;
    }
  }
  CHECK(seen > 50);
}

static uint64_t capabilities(int n, const char **words) {
  agent_options o;
  CHECK_EQ(agent_parse(&o, n, words), -1);
  uint64_t bits = o.capabilities;
  agent_options_free(&o);
  return bits;
}

TEST(capabilities_follow_the_options_and_the_list) {
  CHECK_EQ(capabilities(1, (const char *[]){"ws://h"}), 0x2801);
  CHECK_EQ(capabilities(2, (const char *[]){"ws://h", "--apply=x"}), 0x3807);
  CHECK_EQ(capabilities(2, (const char *[]){"ws://h", "--answer=manual"}),
           0x3807);
  CHECK_EQ(capabilities(2, (const char *[]){"ws://h", "--on-restart=x"}),
           0x2C01);
  CHECK_EQ(capabilities(3, (const char *[]){"--capabilities=-ReportsHealth",
                                            "--config-dir=x", "ws://h"}),
           0x3007);
  CHECK_EQ(capabilities(
               3, (const char *[]){"--capabilities",
                                   "ReportsStatus,+ReportsOwnLogs", "ws://h"}),
           0x81);
}

TEST(capabilities_that_cannot_be_are_refused) {
  char why[200];
  uint64_t bits = 1;
  CHECK(!agent_capabilities_parse("AcceptsPackages", &bits, why, sizeof why));
  CHECK(strstr(why, "package manager") != NULL);
  CHECK(!agent_capabilities_parse("+Nope", &bits, why, sizeof why));
  CHECK(strstr(why, "'Nope'") != NULL);
  CHECK(!agent_capabilities_parse("", &bits, why, sizeof why));
  CHECK(!agent_capabilities_parse("ReportsHealth,", &bits, why, sizeof why));
}

/* Covers: SEC-2 */
TEST(a_refused_header_is_not_repeated) {
  agent_options o = {0};
  CHECK_EQ(opamp_options_new(&o.connection.library), OPAMP_OK);
  CHECK_EQ(parse(&agent_tool, &o, 1, (const char *[]){"--header=secret"}), 2);
  CHECK(strstr(said, "secret") == NULL);
  CHECK(strstr(said, "--header: is not") != NULL);
  agent_options_free(&o);
}

TEST(an_apply_is_not_overtaken_by_its_deadline) {
  agent_options o;
  const char *words[] = {"ws://h", "--apply=x", "--apply-timeout=90000"};
  CHECK_EQ(agent_parse(&o, 3, words), -1);
  CHECK(opamp_options_number(o.connection.library, OPAMP_OPT_OFFER_DEADLINE) >=
        270000);
  agent_options_free(&o);
  words[2] = "--offer-deadline=2000";
  CHECK_EQ(agent_parse(&o, 3, words), -1);
  CHECK_EQ(opamp_options_number(o.connection.library, OPAMP_OPT_OFFER_DEADLINE),
           2000);
  agent_options_free(&o);
}
