/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent_configdir_rig.h"
#include "harness.h"
#include "runtime/confignames.h"

/* Which names an offer may have. */

static void check_match(const char *pattern, const char *path, bool want) {
  if (opamp__name_matches(pattern, path) != want)
    harness_fail(__FILE__, __LINE__, "\"%s\" %s \"%s\"", pattern,
                 want ? "does not match" : "matches", path);
}

/* Covers: SEC-3 */
TEST(a_pattern_matches_the_whole_name) {
  static const struct {
    const char *pattern, *path;
    bool want;
  } cases[] = {
      {"a", "a", true},
      {"a", "ab", false},
      {"ab", "a", false},
      {"a", "A", false},
      {"*", "a.yaml", true},
      {"*", ".hidden", true},
      {"*", "a/b", false},
      {"*.yaml", "a.yaml", true},
      {"*.yaml", ".yaml", true},
      {"*.yaml", "a.yaml.yaml", true},
      {"*.yaml", "a.yaml.sh", false},
      {"*.yaml", "conf.d/a.yaml", false},
      {"conf.d/*.yaml", "conf.d/a.yaml", true},
      {"conf.d/*.yaml", "conf.d/x/a.yaml", false},
      {"conf.d/*", "conf.d", false},
      {"*/*", "a/b", true},
      {"*/*", "a/b/c", false},
      {"**", "a/b/c", true},
      {"***", "a/b/c", true},
      {"**.yaml", "a/b/c.yaml", true},
      {"**.yaml", "c.yaml", true},
      {"**/c", "c", false},
      {"a/**/c", "a/b/b/c", true},
      {"a/**/c", "a/c", false},
      {"**/*b/c", "x/ab/bb/c", true},
      {"**b*c", "ab/bxc", true},
      {"*b**c", "ab/x/c", true},
      {"*b**c", "a/b/c", false},
      {"*a*b*c", "aabbcc", true},
      {"*a*b*c", "aabbccd", false},
      {"?", "a", true},
      {"?", "\xc3\xa4", true},
      {"??", "\xc3\xa4", false},
      {"a?b", "a/b", false},
      {"?", "?", true},
      {"*?", "abc", true},
      {"[a]", "a", false},
      {"[a]", "[a]", true},
      {"\\*", "\\x", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_match(cases[i].pattern, cases[i].path, cases[i].want);
}

/* The time must not grow with the number of stars in the exponent. */
TEST(a_pattern_of_many_stars_comes_to_an_end) {
  char pattern[200] = "", name[256];
  for (int i = 0; i < 40; i++) strcat(pattern, i % 8 == 7 ? "**a" : "*a");
  strcat(pattern, "b");
  memset(name, 'a', 255);
  name[255] = '\0';
  check_match(pattern, name, false);
}

/* Covers: SEC-3 */
TEST(an_offer_with_a_name_that_is_not_allowed_is_refused_whole) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(opamp_configdir_allow(d, "*.yaml"), OPAMP_OK);
  CHECK_EQ(opamp_configdir_allow(d, "conf.d/*.yaml"), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("a.yaml", "1", "conf.d/b.yaml", "2")),
           OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("a.yaml", "x", "conf.d/run.sh", "x")),
           OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(),
            "configuration object \"conf.d/run.sh\": a name that is not "
            "allowed here");
  CHECK_STR(rig_shown(d), "a.yaml=1;conf.d/b.yaml=2;");
  CHECK(opamp_configdir_is_good(d));
  opamp_configdir_free(d);
}

/* Covers: SEC-3 */
TEST(the_empty_name_is_allowed_as_the_file_it_becomes) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(opamp_configdir_allow(d, "conf*"), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("", "1")), OPAMP_OK);
  CHECK_STR(rig_shown(d), "config=1;");
  opamp_configdir_free(d);
  d = rig_open(); /* the list belongs to the object, not to the disk */
  CHECK_EQ(opamp_configdir_allow(d, "other"), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("", "2")), OPAMP_ERR_INVALID);
  CHECK_STR(rig_shown(d), "config=1;");
  opamp_configdir_free(d);
}

/* Covers: SEC-3 */
TEST(what_leads_elsewhere_cannot_be_allowed) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(opamp_configdir_allow(d, "**"), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("../x", "1")), OPAMP_ERR_INVALID);
  CHECK_EQ(rig_replace(d, FILES("/etc/x", "1")), OPAMP_ERR_INVALID);
  CHECK_STR(rig_shown(d), "");
  opamp_configdir_free(d);
}

TEST(patterns_that_nothing_can_match_are_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(opamp_configdir_allow(d, NULL), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_configdir_allow(d, ""), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_configdir_allow(d, "/etc/*"), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "/etc/*") != NULL);
  CHECK_EQ(rig_replace(d, FILES("a", "1")), OPAMP_OK); /* no list was begun */
  opamp_configdir_free(d);
}

TEST(a_path_longer_than_the_system_can_open_is_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  char name[4200] = "";
  for (int i = 0; i < 20; i++)
    snprintf(name + strlen(name), sizeof name - strlen(name), "%s%0200d",
             i > 0 ? "/" : "", i);
  CHECK_EQ(rig_replace(d, FILES("a", "1", name, "2")), OPAMP_OK);
  strcat(name, "/");
  memset(name + strlen(name), 'x', 100);
  CHECK_EQ(rig_replace(d, FILES("b", "1", name, "2")), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "too long") != NULL);
  opamp_configdir_free(d);
}
