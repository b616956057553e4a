/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_FILE_H
#define OPAMP_TOOLS_FILE_H

#include "common/buf.h"

/* Appends the whole of a regular file of at most `max` bytes. NULL, or what is
 * wrong, without the path. It never waits for a writer, as a FIFO would. */
const char *tool_file_read(tool_buf *out, const char *path, size_t max);

#endif
