/* SPDX-License-Identifier: Apache-2.0 */
static int there;
int *volatile address = &there;

/* Exits 0 when the dynamic linker relocated the address. */
int main(void) {
  return address != &there;
}
