/* SPDX-License-Identifier: Apache-2.0 */
#include <libwebsockets.h>
#include <uv.h>

/* Exits 0 when libwebsockets can run on a loop of libuv: in some distributions
 * a plugin that only a recommended package brings. */
int main(void) {
  uv_loop_t loop;
  void *loops[1] = {&loop};
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN,
      .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
      .foreign_loops = loops,
      .fd_limit_per_thread = 4};
  lws_set_log_level(0, NULL);
  if (uv_loop_init(&loop) != 0) return 2;
  return lws_create_context(&info) == NULL;
}
