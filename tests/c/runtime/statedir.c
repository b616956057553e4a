/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "statedir_rig.h"

/* The state directory: what it keeps, what it refuses, who may have it. */

/* --- entries -------------------------------------------------------------- */

/* Covers: STATE-16, OFFER-9, SET-5 */
TEST(what_is_saved_is_there_after_a_restart) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK_STR(rig_load(s, "instance_uid"), "(none)");
  rig_says(opamp_errmsg(), "/state/instance_uid: no such entry");
  CHECK_EQ(rig_save(s, "instance_uid", "one"), OPAMP_OK);
  CHECK_EQ(rig_save(s, "remote_config", "two"), OPAMP_OK);
  CHECK_STR(rig_load(s, "instance_uid"), "one");
  opamp__statedir_close(s);
  s = rig_open();
  CHECK_STR(rig_load(s, "instance_uid"), "one");
  CHECK_EQ(rig_save(s, "instance_uid", "another"), OPAMP_OK);
  CHECK_STR(rig_load(s, "instance_uid"), "another");
  CHECK_STR(rig_load(s, "remote_config"), "two");
  CHECK_EQ(opamp__statedir_erase(s, "instance_uid"), OPAMP_OK);
  CHECK_STR(rig_load(s, "instance_uid"), "(none)");
  CHECK_EQ(opamp__statedir_erase(s, "instance_uid"), OPAMP_OK);
  CHECK_STR(rig_names(), "remote_config ");
  CHECK_STR(rig_notes, "");
  opamp__statedir_close(s);
}

TEST(a_value_is_appended) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  opamp__buf b = {0};
  CHECK_EQ(rig_save(s, "key", "value"), OPAMP_OK);
  CHECK(opamp__buf_append(&b, "before ", 7));
  CHECK_EQ(opamp__statedir_load(s, "key", &b), OPAMP_OK);
  CHECK_MEM(b.ptr, b.len, "before value", 12);
  CHECK_EQ(opamp__statedir_load(s, "no", &b), OPAMP_ERR_NOTFOUND);
  CHECK_MEM(b.ptr, b.len, "before value", 12);
  opamp__buf_wipe_free(&b);
  opamp__statedir_close(s);
}

TEST(an_empty_value_is_one) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  opamp__buf b = {0};
  CHECK_EQ(opamp__statedir_save(s, "key", (opamp_bytes){NULL, 0}), OPAMP_OK);
  CHECK_EQ(opamp__statedir_load(s, "key", &b), OPAMP_OK);
  CHECK_EQ(b.len, 0);
  opamp__buf_wipe_free(&b);
  opamp__statedir_close(s);
}

TEST(large_values) {
  rig_fresh();
  const size_t most = (size_t)80 << 20;
  opamp__statedir *s = rig_open();
  opamp__buf b = {0};
  uint8_t *big = calloc(1, most + 1);
  CHECK(big != NULL);
  big[most - 1] = 'x';
  CHECK_EQ(rig_save(s, "key", "old"), OPAMP_OK);
  opamp_status s1 =
      opamp__statedir_save(s, "key", opamp_bytes_of(big, most + 1));
  CHECK_EQ(s1, OPAMP_ERR_LIMIT);
  rig_says(opamp_errmsg(), "/state/key: 83886081 bytes, 83886080 at most");
  CHECK_STR(rig_load(s, "key"), "old");
  CHECK_EQ(opamp__statedir_save(s, "key", opamp_bytes_of(big, most)), OPAMP_OK);
  CHECK_EQ(opamp__statedir_load(s, "key", &b), OPAMP_OK);
  CHECK(b.len == most && memcmp(b.ptr, big, most) == 0);
  opamp__buf_wipe_free(&b);
  free(big);
  opamp__statedir_close(s);
}

TEST(keys) {
  static const char *const bad[] = {
      "",         "Key",
      "key1",     "a/b",
      "..",       "a.tmp",
      "lock",     "a b",
      "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 41 */};
  const char *longest = bad[9] + 1;
  rig_fresh();
  opamp__statedir *s = rig_open();
  opamp__buf b = {0};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_EQ(rig_save(s, bad[i], "x"), OPAMP_ERR_INVALID);
    rig_says(opamp_errmsg(), "cannot be the key of an entry");
    CHECK_EQ(opamp__statedir_load(s, bad[i], &b), OPAMP_ERR_INVALID);
    CHECK_EQ(opamp__statedir_erase(s, bad[i]), OPAMP_ERR_INVALID);
  }
  CHECK_STR(rig_names(), "");
  CHECK_EQ(rig_save(s, longest, "x"), OPAMP_OK);
  CHECK_STR(rig_load(s, longest), "x");
  CHECK_EQ(rig_save(s, longest, "y"), OPAMP_OK);
  CHECK_STR(rig_load(s, longest), "y");
  opamp__statedir_close(s);
}

/* --- permissions ---------------------------------------------------------- */

/* Covers: SEC-5 */
TEST(files_are_private_whatever_the_umask) {
  static const mode_t masks[] = {0, 077, 0277};
  for (size_t i = 0; i < 3; i++) {
    struct stat st;
    rig_fresh();
    mode_t old = umask(masks[i] & 077);
    opamp__statedir *s = rig_open();
    umask(masks[i]);
    opamp_status first = rig_save(s, "key", "secret");
    opamp_status second = rig_save(s, "key", "another");
    umask(old);
    CHECK_EQ(first, OPAMP_OK);
    CHECK_EQ(second, OPAMP_OK);
    CHECK_EQ(stat(place_path("state"), &st), 0);
    CHECK_EQ(st.st_mode, S_IFDIR | 0700);
    CHECK_EQ(rig_mode("key"), S_IFREG | 0600);
    CHECK_EQ(rig_mode("lock"), S_IFREG | 0600);
    opamp__statedir_close(s);
  }
}

/* Covers: SEC-5 */
TEST(a_file_that_others_could_read_is_private_again) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK_EQ(rig_save(s, "key", "secret"), OPAMP_OK);
  CHECK_EQ(chmod(rig_path("key"), 0644), 0);
  CHECK_STR(rig_load(s, "key"), "secret");
  rig_says(rig_notes, "/state/key could be read by others (mode 0644)");
  CHECK_EQ(rig_mode("key"), S_IFREG | 0600);
  opamp__statedir_close(s);
}

/* Covers: SEC-5 */
TEST(a_file_that_others_could_write_to_is_not_believed) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK_EQ(rig_save(s, "key", "secret"), OPAMP_OK);
  CHECK_EQ(chmod(rig_path("key"), 0620), 0);
  CHECK_STR(rig_load(s, "key"), "(none)");
  rig_says(rig_notes,
           "/state/key could be written to by others; it is "
           "key.bad-1 now");
  opamp__statedir_close(s);
}

TEST(a_directory_that_others_may_write_to_is_refused) {
  static const mode_t modes[] = {0720, 0702, 01777};
  for (size_t i = 0; i < 3; i++) {
    rig_fresh();
    CHECK_EQ(mkdir(place_path("state"), 0700), 0);
    CHECK_EQ(chmod(place_path("state"), modes[i]), 0);
    CHECK_EQ(rig_try("state"), OPAMP_ERR_IO);
    rig_says(opamp_errmsg(), "/state: others may write to it (mode ");
    CHECK_STR(rig_names(), "");
  }
  CHECK_EQ(chmod(place_path("state"), 0755), 0); /* and it stays so */
  CHECK_EQ(rig_try("state"), OPAMP_OK);
  struct stat st;
  CHECK_EQ(stat(place_path("state"), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0755);
}

/* --- places --------------------------------------------------------------- */

TEST(places_that_are_none) {
  opamp__statedir *s;
  rig_fresh();
  CHECK_EQ(opamp__statedir_open(&s, "", NULL, NULL), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp__statedir_open(&s, NULL, NULL, NULL), OPAMP_ERR_INVALID);
  place_write("file", "");
  CHECK_EQ(rig_try("file"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "/file: Not a directory");
  CHECK_EQ(rig_try("no/state"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "/no/state: No such file or directory");
  CHECK_EQ(symlink("nowhere", place_path("link")), 0);
  CHECK_EQ(rig_try("link"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "/link: No such file or directory");
  opamp__statedir_close(NULL);
}

TEST(a_link_to_the_directory_is_the_operators) {
  rig_fresh();
  CHECK_EQ(symlink("state", place_path("link")), 0);
  opamp__statedir *s = rig_open();
  CHECK_EQ(rig_save(s, "key", "x"), OPAMP_OK);
  CHECK_EQ(rig_try("link/"), OPAMP_ERR_BUSY);
  opamp__statedir_close(s);
  CHECK_EQ(rig_try("link///"), OPAMP_OK);
}

TEST(a_very_long_path_does_not_hide_the_reason) {
  char path[3000] = "";
  opamp__statedir *s;
  rig_fresh();
  strcat(path, place_root);
  for (int i = 0; i < 500; i++) strcat(path, "/none");
  CHECK_EQ(opamp__statedir_open(&s, path, NULL, NULL), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "No such file");
}

TEST(what_a_crash_left_is_removed) {
  rig_fresh();
  opamp__statedir_close(rig_open());
  rig_put("key.tmp", "secret", 6);
  rig_put("Key.tmp", "not ours", 8);
  rig_put("x.y.tmp", "not ours", 8);
  rig_put(".tmp", "not ours", 8);
  CHECK_EQ(symlink("Key.tmp", rig_path("link.tmp")), 0);
  opamp__statedir *s = rig_open();
  CHECK_STR(rig_names(), "Key.tmp x.y.tmp ");
  rig_put("key.tmp", "secret", 6);
  CHECK_EQ(rig_save(s, "key", "x"), OPAMP_OK);
  CHECK_EQ(mkdir(rig_path("key.tmp"), 0700), 0);
  CHECK_EQ(rig_save(s, "key", "y"), OPAMP_OK);
  CHECK_EQ(mkdir(rig_path("key.tmp"), 0700), 0);
  rig_put("key.tmp/file", "not ours", 8);
  CHECK_EQ(rig_save(s, "key", "z"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "removing /");
  rig_says(opamp_errmsg(), "/state/key.tmp: Directory not empty");
  CHECK_STR(rig_load(s, "key"), "y");
  CHECK_EQ(access(rig_path("Key.tmp"), F_OK), 0);
  opamp__statedir_close(s);
}

/* --- what is not ours ----------------------------------------------------- */

/* The key is something else: set aside with this note, not followed, and an
 * entry can be saved. */
static void is_set_aside(const char *why, bool loading) {
  char note[200];
  opamp__statedir *s = rig_open();
  rig_notes[0] = '\0';
  if (loading) CHECK_STR(rig_load(s, "key"), "(none)");
  CHECK_EQ(rig_save(s, "key", "new"), OPAMP_OK);
  snprintf(note, sizeof note, "/state/key %s; it is key.bad-1 now\n", why);
  rig_says(rig_notes, note);
  CHECK_STR(rig_load(s, "key"), "new");
  CHECK_STR(rig_names(), "key key.bad-1 ");
  opamp__statedir_close(s);
}

static void begin_foreign(void) {
  rig_fresh();
  opamp__statedir_close(rig_open());
  place_write("outside", "precious");
}

/* Covers: SEC-5 */
TEST(links_are_not_followed) {
  for (int loading = 0; loading < 2; loading++) {
    begin_foreign();
    CHECK_EQ(symlink("../outside", rig_path("key")), 0);
    is_set_aside("is a symbolic link", loading);
    struct stat st;
    CHECK_EQ(stat(place_path("outside"), &st), 0);
    CHECK_EQ(st.st_size, 8);
  }
}

TEST(fifos_and_sockets_block_nobody) {
  for (int loading = 0; loading < 2; loading++) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    begin_foreign();
    CHECK_EQ(mkfifo(rig_path("key"), 0600), 0);
    is_set_aside("is no regular file", loading);
    begin_foreign();
    snprintf(at.sun_path, sizeof at.sun_path, "%s", rig_path("key"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
    is_set_aside("is no regular file", loading);
  }
}

TEST(directories_are_kept) {
  for (int loading = 0; loading < 2; loading++) {
    begin_foreign();
    CHECK_EQ(mkdir(rig_path("key"), 0700), 0);
    rig_put("key/precious", "x", 1);
    is_set_aside("is a directory", loading);
    CHECK_EQ(access(rig_path("key.bad-1/precious"), F_OK), 0);
  }
}

/* Covers: SEC-5 */
TEST(files_of_others_are_not_read) {
  if (geteuid() != 0) {
    printf("     (only root can make a file of another user)\n");
    return;
  }
  for (int loading = 0; loading < 2; loading++) {
    begin_foreign();
    opamp__statedir *s = rig_open();
    CHECK_EQ(rig_save(s, "key", "theirs"), OPAMP_OK);
    opamp__statedir_close(s);
    CHECK_EQ(chown(rig_path("key"), 65534, 65534), 0);
    is_set_aside("belongs to another user", loading);
  }
  rig_fresh();
  CHECK_EQ(mkdir(place_path("state"), 0700), 0);
  CHECK_EQ(chown(place_path("state"), 65534, 65534), 0);
  CHECK_EQ(rig_try("state"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(),
           "/state belongs to user 65534 and this process to "
           "user 0; use a directory below it");
}

TEST(what_is_erased_may_be_anything) {
  begin_foreign();
  opamp__statedir *s = rig_open();
  CHECK_EQ(symlink("../outside", rig_path("key")), 0);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  CHECK_EQ(mkfifo(rig_path("key"), 0600), 0);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  rig_put("key", "", 0);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  CHECK_STR(rig_names(), "");
  CHECK_STR(rig_notes, "");
  CHECK_EQ(mkdir(rig_path("key"), 0700), 0);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  CHECK_STR(rig_names(), "key.bad-1 ");
  rig_says(rig_notes, "/state/key is a directory; it is key.bad-1 now");
  CHECK_EQ(access(place_path("outside"), F_OK), 0);
  opamp__statedir_close(s);
}

TEST(a_lock_that_is_no_file_of_ours_is_refused) {
  begin_foreign();
  CHECK_EQ(unlink(rig_path("lock")), 0);
  CHECK_EQ(symlink("../outside", rig_path("lock")), 0);
  CHECK_EQ(rig_try("state"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "opening /");
  rig_says(opamp_errmsg(), "/state/lock: Too many levels of symbolic links");
  CHECK_EQ(unlink(rig_path("lock")), 0);
  CHECK_EQ(mkfifo(rig_path("lock"), 0600), 0);
  CHECK_EQ(rig_try("state"), OPAMP_ERR_IO);
  rig_says(opamp_errmsg(), "/state/lock: not a file of this user");
}
