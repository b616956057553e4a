/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/numbers.h"
#include "harness.h"

/* The table of the number options. */

static size_t count(void) {
  size_t n = 0;
  while (opamp__number_at(n) != NULL) n++;
  return n;
}

/* Covers: SEC-1 */
TEST(names_and_keys_are_unique) {
  for (size_t i = 0; i < count(); i++)
    for (size_t k = 0; k < i; k++) {
      CHECK(opamp__number_at(i)->key != opamp__number_at(k)->key);
      CHECK(strcmp(opamp__number_at(i)->name, opamp__number_at(k)->name) != 0);
    }
}

/* Covers: SEC-1 */
TEST(names_are_words_with_hyphens) {
  for (size_t i = 0; i < count(); i++) {
    const char *name = opamp__number_at(i)->name;
    CHECK(name[0] != '\0');
    CHECK_EQ(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
  }
}

/* Covers: SEC-1 */
TEST(defaults_are_within_finite_bounds) {
  for (size_t i = 0; i < count(); i++) {
    const opamp__number *n = opamp__number_at(i);
    CHECK(n->min <= n->def);
    CHECK(n->def <= n->max);
    CHECK(n->max <= UINT64_C(1) << 40); /* no sum of two overflows */
    CHECK(n->key > 0 && n->key < OPAMP__NUMBERS);
  }
}

/* The enumerators of options.h with their comments, which say the default:
 * every one is in the table, and with that default.
 * Covers: SEC-1 */
TEST(every_option_of_the_header_is_in_the_table) {
  char path[4096], line[512], name[64];
  size_t seen = 0;
  FILE *f;
  snprintf(path, sizeof path, "%s/../../libopamp/include/opamp/options.h",
           harness_source_dir());
  f = fopen(path, "r");
  CHECK(f != NULL);
  while (fgets(line, sizeof line, f) != NULL) {
    int key;
    const opamp__number *n;
    if (sscanf(line, " OPAMP_OPT_%63[A-Z_] = %d", name, &key) != 2) continue;
    n = opamp__number_find(key);
    if (n == NULL) fprintf(stderr, "OPAMP_OPT_%s is not in the table\n", name);
    CHECK(n != NULL);
    for (char *c = name; *c != '\0'; c++)
      *c = *c == '_' ? '-' : (char)(*c - 'A' + 'a');
    CHECK(strcmp(n->name, name) == 0);
    seen++;
  }
  fclose(f);
  CHECK(seen > 30);
  CHECK_EQ(seen, count());
}

/* Of the comment "30000 ms: …" behind an option: the first number. */
static bool default_of(const char *comment, uint64_t *out) {
  const char *at = comment + strcspn(comment, "0123456789");
  if (*at == '\0') return false;
  *out = strtoull(at, NULL, 10);
  return true;
}

/* Covers: SEC-1 */
TEST(the_header_tells_the_defaults) {
  char path[4096], line[512];
  FILE *f;
  snprintf(path, sizeof path, "%s/../../libopamp/include/opamp/options.h",
           harness_source_dir());
  f = fopen(path, "r");
  CHECK(f != NULL);
  while (fgets(line, sizeof line, f) != NULL) {
    int key;
    uint64_t def = 0;
    const char *comment = strstr(line, "/*");
    if (sscanf(line, " OPAMP_OPT_%*[A-Z_] = %d", &key) != 1) continue;
    CHECK(comment != NULL && default_of(comment, &def));
    if (def != opamp__number_find(key)->def) fprintf(stderr, "%s", line);
    CHECK_EQ(opamp__number_find(key)->def, def);
  }
  fclose(f);
}

TEST(what_is_not_there_is_not_found) {
  CHECK(opamp__number_find(0) == NULL);
  CHECK(opamp__number_find(-1) == NULL);
  CHECK(opamp__number_find(OPAMP__NUMBERS) == NULL);
  CHECK(opamp__number_at((size_t)-1) == NULL);
}

/* Covers: SEC-1, CONN-3, HTTP-4, HTTP-6 */
TEST(defaults_are_set_by_key) {
  uint64_t v[OPAMP__NUMBERS];
  memset(v, 0xff, sizeof v);
  opamp__numbers_default(v);
  CHECK_EQ(v[OPAMP_OPT_BACKOFF_MIN], 1000);
  CHECK_EQ(v[OPAMP_OPT_BACKOFF_MAX], 300000);
  CHECK_EQ(v[OPAMP_OPT_POLL_INTERVAL], 30000);
  CHECK_EQ(v[OPAMP_OPT_HEARTBEAT], 30000);
  CHECK_EQ(v[OPAMP_OPT_THROTTLE_WAIT], 30000);
  CHECK_EQ(v[OPAMP_OPT_RETRY_AFTER_MAX], 3600000);
  CHECK_EQ(v[OPAMP_OPT_STOP_TIMEOUT], 2000);
  CHECK_EQ(v[OPAMP_OPT_MAX_SEND], 64 << 20);
  CHECK_EQ(v[0], 0); /* a key that is none */
}
