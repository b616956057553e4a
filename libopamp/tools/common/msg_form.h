/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_MSG_FORM_H
#define OPAMP_TOOLS_MSG_FORM_H

/* How the reader and the writer of msg_json.h show a field: by its kind, but
 * for a few that are told by their names. */
enum {
  TOOL_FORM_KIND = 0,
  TOOL_FORM_UID = 1,
  TOOL_FORM_HASH = 2,
  TOOL_FORM_AGENT_CAPABILITIES = 3,
  TOOL_FORM_SERVER_CAPABILITIES = 4
};

int tool_form(int type, int field);

#endif
