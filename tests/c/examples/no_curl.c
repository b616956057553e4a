/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <string.h>

#include "harness.h"
#include "opamp/opamp.h"

/* The shared library where libcurl is not installed: this program's dlopen does
 * not find it. */

static int asked;

void *dlopen(const char *file, int mode) {
  void *(*next)(const char *, int);
  void *found = dlsym(RTLD_NEXT, "dlopen");
  memcpy(&next, &found, sizeof next);
  if (file != NULL && strstr(file, "libcurl") != NULL) {
    asked++;
    return NULL;
  }
  return next(file, mode);
}

/* The first event of this kind, of an agent of a server that is not there. */
static opamp_event *first(opamp_loop *l, const char *url, int kind) {
  opamp_options *o;
  opamp_client *c;
  opamp_event *e = NULL;
  CHECK_EQ(opamp_options_new(&o), OPAMP_OK);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, url), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&c, l, o), OPAMP_OK);
  opamp_options_free(o);
  CHECK_EQ(opamp_client_start(c), OPAMP_OK);
  while (opamp_event_kind(e) != kind) {
    opamp_event_free(e);
    while ((e = opamp_loop_next_event(l)) == NULL)
      CHECK(opamp_loop_poll(l, 10000) > 0);
  }
  return e;
}

TEST(http_says_what_is_missing_and_websocket_does_not_ask) {
  opamp_loop *l;
  CHECK_EQ(opamp_loop_new(&l, 0), OPAMP_OK);
  opamp_event *e = first(l, "ws://127.0.0.1:1", OPAMP_EVENT_CONNECT_FAILED);
  CHECK_EQ(opamp_event_status(e), OPAMP_ERR_TRANSPORT);
  opamp_event_free(e);
  CHECK_EQ(asked, 0);
  e = first(l, "http://127.0.0.1:1", OPAMP_EVENT_CONNECT_FAILED);
  CHECK_EQ(opamp_event_status(e), OPAMP_ERR_UNSUPPORTED);
  CHECK(strstr(opamp_event_text(e).ptr, "libcurl.so.4") != NULL);
  opamp_event_free(e);
  CHECK_EQ(asked, 1);
  opamp_loop_free(l);
}

TEST(the_versions_say_so) {
  CHECK(strstr(opamp_version_details(), "libcurl (cannot be loaded)") != NULL);
}
