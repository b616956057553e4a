/* SPDX-License-Identifier: Apache-2.0 */
#include <opamp/opamp.h>
#include <stdio.h>

/* A loop brings in every layer and every library below. */
int main(void) {
  opamp_loop *loop = NULL;
  if (opamp_loop_new(&loop, 1) != OPAMP_OK) {
    fprintf(stderr, "%s\n", opamp_errmsg());
    return 1;
  }
  opamp_loop_free(loop);
  puts(opamp_version_text());
  return 0;
}
