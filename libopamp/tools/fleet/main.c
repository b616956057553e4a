/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "fleet/fleet.h"

static void on_signal(int sig) {
  (void)sig;
  fleet_interrupt();
}

int main(int argc, char **argv) {
  struct sigaction stop = {.sa_handler = on_signal};
  fleet_options o;
  int code = fleet_options_parse(&o, argc, argv);
  if (code < 0) {
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    code = fleet_run(&o);
  }
  fleet_options_free(&o);
  return code;
}
