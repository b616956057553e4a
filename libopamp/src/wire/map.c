/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "wire/message.h"

/* Every map entry has this beginning, and so has a KeyValue: field 1 is the
 * key, wherever the others are. */
const char *opamp__entry_key(const void *entry) {
  const ProtobufCMessage *m = entry;
  const char *key =
      *(char *const *)opamp__member(m, m->descriptor->fields[0].offset);
  return key != NULL ? key : "";
}

/* Keys hold no NUL, so strcmp orders them by their bytes. */
static int order(const void *a, const void *b) {
  return strcmp(opamp__entry_key(a), opamp__entry_key(b));
}

static bool is_sorted(void *const *list, size_t n) {
  for (size_t i = 1; i < n; i++)
    if (order(list[i - 1], list[i]) > 0) return false;
  return true;
}

static void merge(void *const *a, size_t n, void *const *b, size_t m,
                  void **out) {
  while (n > 0 && m > 0) {
    if (order(*a, *b) <= 0) {
      *out++ = *a++;
      n--;
    } else {
      *out++ = *b++;
      m--;
    }
  }
  memcpy(out, a, n * sizeof *a);
  memcpy(out + n, b, m * sizeof *b);
}

/* Bottom-up merge sort: stable, and n log n whatever the keys are. */
void opamp__sort_by_key(void **list, void **spare, size_t n) {
  void **from = list, **to = spare;
  if (is_sorted(list, n)) return;
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t i = 0; i < n; i += 2 * width) {
      size_t left = n - i < width ? n - i : width;
      size_t right = n - i - left < width ? n - i - left : width;
      merge(from + i, left, from + i + left, right, to + i);
    }
    void **swap = from;
    from = to;
    to = swap;
  }
  if (from != list) memcpy(list, from, n * sizeof *list);
}

/* Of entries with one key the last stays. */
static size_t drop_duplicates(void **list, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    if (kept > 0 && order(list[kept - 1], list[i]) == 0) kept--;
    list[kept++] = list[i];
  }
  return kept;
}

static bool fill_value(ProtobufCMessage *entry, opamp__arena *a) {
  const ProtobufCFieldDescriptor *f = &entry->descriptor->fields[1];
  ProtobufCMessage **value = opamp__member(entry, f->offset);
  if (opamp__is_message(f) && *value == NULL)
    *value = opamp__pb_new(f->descriptor, a);
  return !opamp__is_message(f) || *value != NULL;
}

static bool settle_map(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                       opamp__arena *a) {
  void **list = *opamp__list(m, f);
  size_t *n = opamp__list_len(m, f);
  if (!is_sorted(list, *n)) {
    void **spare = opamp__arena_alloc(a, *n * sizeof *spare);
    if (spare == NULL) return false;
    opamp__sort_by_key(list, spare, *n);
    opamp__arena_drop(a, spare);
  }
  *n = drop_duplicates(list, *n);
  for (size_t i = 0; i < *n; i++)
    if (!fill_value(list[i], a)) return false;
  return true;
}

bool opamp__maps_settle(ProtobufCMessage *m, opamp__arena *a) {
  for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
    size_t n = opamp__is_message(f) ? opamp__count(m, f) : 0;
    if (n > 0 && opamp__is_map(f)) {
      if (!settle_map(m, f, a)) return false;
      n = *opamp__list_len(m, f);
    }
    for (size_t k = 0; k < n; k++) {
      ProtobufCMessage *const *sub = opamp__value(m, f, k);
      if (!opamp__maps_settle(*sub, a)) return false;
    }
  }
  return true;
}

bool opamp__map_find(const ProtobufCMessage *m,
                     const ProtobufCFieldDescriptor *f, opamp_str key,
                     size_t *index) {
  void **list = *opamp__list(m, f);
  size_t low = 0, high = *opamp__list_len(m, f);
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int o = opamp__str_cmp(opamp__str(opamp__entry_key(list[middle])), key);
    if (o == 0) {
      *index = middle;
      return true;
    }
    if (o < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *index = low;
  return false;
}
