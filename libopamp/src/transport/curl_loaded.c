/* SPDX-License-Identifier: Apache-2.0 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The functions of libcurl that are used, each of which loads libcurl first:
 * with the 30 libraries it needs that takes longer, and more memory, than all
 * the rest of an agent that speaks WebSocket only. Part of the shared library;
 * who links the static one, or objects, links libcurl.
 *
 * Without libcurl curl_global_init fails and curl_version_info returns NULL;
 * nothing else is called then. */

static const char library[] = "libcurl.so.4";

/* With the signatures that curl's header gives them. */
#define FUNCTIONS(F)          \
  F(curl_easy_cleanup)        \
  F(curl_easy_getinfo)        \
  F(curl_easy_header)         \
  F(curl_easy_init)           \
  F(curl_easy_recv)           \
  F(curl_easy_reset)          \
  F(curl_easy_send)           \
  F(curl_easy_setopt)         \
  F(curl_easy_strerror)       \
  F(curl_global_init)         \
  F(curl_multi_add_handle)    \
  F(curl_multi_assign)        \
  F(curl_multi_cleanup)       \
  F(curl_multi_info_read)     \
  F(curl_multi_init)          \
  F(curl_multi_remove_handle) \
  F(curl_multi_setopt)        \
  F(curl_multi_socket_action) \
  F(curl_multi_wakeup)        \
  F(curl_slist_append)        \
  F(curl_slist_free_all)      \
  F(curl_version_info)

#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

static struct {
#define MEMBER(name) __typeof__(name) *(name);
  FUNCTIONS(MEMBER)
} real;

static bool loaded;

static void load(void) {
#define NAME(name) #name,
  static const char names[][sizeof "curl_multi_remove_handle"] = {
      FUNCTIONS(NAME)};
  void *curl = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  loaded = curl != NULL;
  /* POSIX lets a function's address be an object's; ISO C does not. */
  for (size_t i = 0; loaded && i < sizeof names / sizeof *names; i++) {
    void *found = dlsym(curl, names[i]);
    memcpy((char *)&real + i * sizeof found, &found, sizeof found);
    loaded = found != NULL;
  }
}

static bool available(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return loaded;
}

/* --- what may be called first --------------------------------------------- */

CURLcode curl_global_init(long flags) {
  return available() ? real.curl_global_init(flags) : CURLE_FAILED_INIT;
}

curl_version_info_data *curl_version_info(CURLversion age) {
  return available() ? real.curl_version_info(age) : NULL;
}

struct curl_slist *curl_slist_append(struct curl_slist *list,
                                     const char *data) {
  return available() ? real.curl_slist_append(list, data) : NULL;
}

void curl_slist_free_all(struct curl_slist *list) {
  if (list != NULL) real.curl_slist_free_all(list);
}

/* --- options -------------------------------------------------------------- */

/* An option's number says what its argument is. */
#define SET(function, handle, option)                                     \
  va_list more;                                                           \
  va_start(more, option);                                                 \
  switch ((int)(option) / 10000 * 10000) {                                \
    case CURLOPTTYPE_LONG:                                                \
      code = real.function(handle, option, va_arg(more, long));           \
      break;                                                              \
    case CURLOPTTYPE_OFF_T:                                               \
      code = real.function(handle, option, va_arg(more, curl_off_t));     \
      break;                                                              \
    case CURLOPTTYPE_FUNCTIONPOINT:                                       \
      code = real.function(handle, option, va_arg(more, void (*)(void))); \
      break;                                                              \
    default:                                                              \
      code = real.function(handle, option, va_arg(more, void *));         \
      break;                                                              \
  }                                                                       \
  va_end(more)

CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...) {
  CURLcode code;
  SET(curl_easy_setopt, curl, option);
  return code;
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...) {
  CURLMcode code;
  SET(curl_multi_setopt, multi, option);
  return code;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...) {
  va_list more;
  va_start(more, info);
  CURLcode code = real.curl_easy_getinfo(curl, info, va_arg(more, void *));
  va_end(more);
  return code;
}

/* --- the rest ------------------------------------------------------------- */

CURL *curl_easy_init(void) {
  return real.curl_easy_init();
}

void curl_easy_cleanup(CURL *curl) {
  real.curl_easy_cleanup(curl);
}

void curl_easy_reset(CURL *curl) {
  real.curl_easy_reset(curl);
}

CURLcode curl_easy_recv(CURL *curl, void *buffer, size_t buflen, size_t *n) {
  return real.curl_easy_recv(curl, buffer, buflen, n);
}

CURLcode curl_easy_send(CURL *curl, const void *buffer, size_t buflen,
                        size_t *n) {
  return real.curl_easy_send(curl, buffer, buflen, n);
}

CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index,
                           unsigned origin, int request,
                           struct curl_header **out) {
  return real.curl_easy_header(easy, name, index, origin, request, out);
}

const char *curl_easy_strerror(CURLcode code) {
  return real.curl_easy_strerror(code);
}

CURLM *curl_multi_init(void) {
  return real.curl_multi_init();
}

CURLMcode curl_multi_cleanup(CURLM *multi) {
  return real.curl_multi_cleanup(multi);
}

CURLMcode curl_multi_wakeup(CURLM *multi) {
  return real.curl_multi_wakeup(multi);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *handle) {
  return real.curl_multi_add_handle(multi, handle);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *handle) {
  return real.curl_multi_remove_handle(multi, handle);
}

CURLMcode curl_multi_assign(CURLM *multi, curl_socket_t sockfd, void *sockp) {
  return real.curl_multi_assign(multi, sockfd, sockp);
}

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t s,
                                   int ev_bitmask, int *running) {
  return real.curl_multi_socket_action(multi, s, ev_bitmask, running);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *msgs_in_queue) {
  return real.curl_multi_info_read(multi, msgs_in_queue);
}
