/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

TEST(placeholder_poll_zero) {
  rt t = rt_new(true);
  CHECK_EQ(opamp_loop_poll(t.l, 0), 0);
  rt_free(&t);
}
