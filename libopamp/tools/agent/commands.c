/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command.h"
#include "common/lines.h"
#include "common/msg_json.h"
#include "common/utf8.h"

/* One pair of functions per command: check_… looks at every argument and has no
 * effect, run_… does what was checked. Arguments that more than one command
 * has are in command_args.c. */

static opamp_bytes bytes_of(const call *c) {
  return (opamp_bytes){c->bytes.ptr, c->bytes.len};
}

/* --- state of the agent --------------------------------------------------- */

static opamp_status run_health(call *c) {
  return opamp_client_set_health(c->a->client, c->msg);
}

static opamp_status run_description(call *c) {
  c->a->own_description = false;
  return opamp_client_set_description(c->a->client, c->msg);
}

static opamp_status run_components(call *c) {
  return opamp_client_set_available_components(c->a->client, c->msg);
}

static bool check_effective(call *c) {
  opamp_msg *map;
  const json_t *files = arg_need(c, "files");
  if (files == NULL) return false;
  if (opamp_msg_new(&c->msg, OPAMP_MSG_EFFECTIVE_CONFIG) != OPAMP_OK ||
      opamp_msg_add(&map, c->msg, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP) !=
          OPAMP_OK)
    return arg_fail(c, "files", opamp_errmsg());
  return tool_files_from_json(map, files, c->err, sizeof c->err) == OPAMP_OK;
}

static opamp_status run_effective(call *c) {
  return opamp_client_set_effective_config(c->a->client, c->msg);
}

static bool check_packages(call *c) {
  json_t *body = json_copy((json_t *)c->args);
  json_object_del(body, "command");
  json_object_del(body, "id");
  opamp_status s = tool_msg_from_json(&c->msg, OPAMP_MSG_PACKAGE_STATUSES, body,
                                      c->err, sizeof c->err);
  json_decref(body);
  return s == OPAMP_OK;
}

static opamp_status run_packages(call *c) {
  return opamp_client_set_package_statuses(c->a->client, c->msg);
}

static bool check_capabilities(call *c) {
  const json_t *list = arg_need(c, "capabilities");
  if (list == NULL) return false;
  if (!tool_agent_capabilities_from_json(&c->number, list, c->err,
                                         sizeof c->err))
    return false;
  if ((c->number & OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES) != 0)
    return arg_fail(c, "capabilities",
                    "AcceptsPackages needs a package manager, which this "
                    "version does not have");
  return true;
}

static opamp_status run_capabilities(call *c) {
  return opamp_client_set_capabilities(c->a->client, c->number);
}

/* --- answers -------------------------------------------------------------- */

static bool check_status(call *c, int type, int field) {
  const char *status;
  if (!arg_hex(c, "hash") || !arg_text(c, "status", true, &status) ||
      !arg_text(c, "error", false, &c->text))
    return false;
  if (!opamp_msg_enum_value(type, field, status, &c->number))
    return arg_fail(c, "status", "no status has this name");
  return c->number != OPAMP_REMOTE_CONFIG_STATUSES_UNSET ||
         arg_fail(c, "status", "UNSET is no answer");
}

static bool check_config_status(call *c) {
  return check_status(c, OPAMP_MSG_REMOTE_CONFIG_STATUS,
                      OPAMP_REMOTE_CONFIG_STATUS_STATUS);
}

static opamp_status run_config_status(call *c) {
  return opamp_client_set_remote_config_status(c->a->client, bytes_of(c),
                                               (int)c->number, c->text);
}

static bool check_settings_status(call *c) {
  return check_status(c, OPAMP_MSG_CONNECTION_SETTINGS_STATUS,
                      OPAMP_CONNECTION_SETTINGS_STATUS_STATUS);
}

static opamp_status run_settings_status(call *c) {
  return opamp_client_set_connection_settings_status(c->a->client, bytes_of(c),
                                                     (int)c->number, c->text);
}

/* --- custom messages ------------------------------------------------------ */

static bool check_custom_capabilities(call *c) {
  const json_t *list, *item;
  size_t i;
  const int field = OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES;
  if (!arg_texts(c, "capabilities", &list)) return false;
  opamp_status s = opamp_msg_new(&c->msg, OPAMP_MSG_CUSTOM_CAPABILITIES);
  json_array_foreach((json_t *)list, i, item) {
    opamp_str text = {json_string_value(item), json_string_length(item)};
    if (s == OPAMP_OK) s = opamp_msg_set_str(c->msg, field, text);
  }
  c->declared = list;
  return s == OPAMP_OK || arg_fail(c, "capabilities", opamp_errmsg());
}

static opamp_status run_custom_capabilities(call *c) {
  opamp_status s = opamp_client_set_custom_capabilities(c->a->client, c->msg);
  if (s != OPAMP_OK) return s;
  json_decref(c->a->declared);
  c->a->declared = json_deep_copy(json_object_get(c->args, "capabilities"));
  return OPAMP_OK;
}

static bool check_custom(call *c) {
  const json_t *item;
  size_t i;
  if (!arg_text(c, "capability", true, &c->value) ||
      !arg_text(c, "type", false, &c->text) || !arg_base64(c, "data"))
    return false;
  json_array_foreach((json_t *)c->declared, i, item) {
    if (strcmp(json_string_value(item), c->value) == 0) return true;
  }
  return arg_fail(c, "capability", "not declared with set_custom_capabilities");
}

static opamp_status run_custom(call *c) {
  return opamp_client_send_custom(c->a->client, c->value,
                                  c->text != NULL ? c->text : "", bytes_of(c));
}

/* --- the connection ------------------------------------------------------- */

/* Whether a header is fit to be sent is asked of options that nobody uses. */
static bool check_header(call *c) {
  opamp_options *scratch;
  if (!arg_text(c, "name", true, &c->text) || arg_need(c, "value") == NULL ||
      !arg_text(c, "value", false, &c->value))
    return false;
  if (opamp_options_new(&scratch) != OPAMP_OK)
    return arg_fail(c, "name", opamp_errmsg());
  opamp_status s = opamp_options_add_header(scratch, c->text,
                                            c->value != NULL ? c->value : "");
  opamp_options_free(scratch);
  return s == OPAMP_OK || arg_fail(c, "name", opamp_errmsg());
}

static opamp_status run_header(call *c) {
  return headers_set(c->a->headers, c->text, c->value);
}

static bool check_heartbeat(call *c) {
  if (!arg_number(c, "ms", &c->number)) return false;
  if (c->number >= opamp_option_min(OPAMP_OPT_HEARTBEAT) &&
      c->number <= opamp_option_max(OPAMP_OPT_HEARTBEAT))
    return true;
  return arg_fail(c, "ms", "out of bounds");
}

static opamp_status run_heartbeat(call *c) {
  return opamp_client_set_heartbeat(c->a->client, c->number);
}

static bool check_stop(call *c) {
  const json_t *j = json_object_get(c->args, "disconnect");
  c->number = !json_is_false(j);
  return j == NULL || json_is_boolean(j) ||
         arg_fail(c, "disconnect", "neither true nor false");
}

static opamp_status run_stop(call *c) {
  agent_stop(c->a, c->number != 0);
  return OPAMP_OK;
}

static bool check_nothing(call *c) {
  (void)c;
  return true;
}

static opamp_status run_state(call *c) {
  c->state = command_state(c->a);
  return OPAMP_OK;
}

static opamp_status run_certificate(call *c) {
  return opamp_client_request_certificate(c->a->client);
}

/* --- the table ------------------------------------------------------------ */

static bool check_batch(call *c);
static opamp_status run_batch(call *c);

static const command commands[] = {
    {"set_health", " health ", arg_health, run_health, false},
    {"set_description", " identifying non_identifying ", arg_description,
     run_description, false},
    {"set_effective_config", " files ", check_effective, run_effective, false},
    {"config_status", " hash status error ", check_config_status,
     run_config_status, false},
    {"set_components", " components ", arg_components, run_components, false},
    {"set_capabilities", " capabilities ", check_capabilities, run_capabilities,
     false},
    {"set_custom_capabilities", " capabilities ", check_custom_capabilities,
     run_custom_capabilities, false},
    {"send_custom", " capability type data ", check_custom, run_custom, false},
    {"batch", " commands ", check_batch, run_batch, true},
    {"set_package_statuses",
     " packages server_provided_all_packages_hash error_message ",
     check_packages, run_packages, false},
    {"set_header", " name value ", check_header, run_header, false},
    {"set_heartbeat", " ms ", check_heartbeat, run_heartbeat, false},
    {"request_certificate", "", check_nothing, run_certificate, false},
    {"settings_status", " hash status error ", check_settings_status,
     run_settings_status, false},
    {"state", "", check_nothing, run_state, true},
    {"stop", " disconnect ", check_stop, run_stop, false},
};

static bool check(call *c) {
  char keys[160];
  const json_t *name = json_object_get(c->args, "command");
  if (!json_is_object(c->args)) return arg_fail(c, "command", "not an object");
  if (!json_is_string(name)) return arg_fail(c, "command", "is missing");
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].name, json_string_value(name)) == 0)
      c->command = &commands[i];
  if (c->command == NULL)
    return arg_fail(c, json_string_value(name), "no such command");
  snprintf(keys, sizeof keys, " command id %s", c->command->keys);
  return arg_keys(c, c->args, keys, "") && c->command->check(c);
}

static void call_free(call *c) {
  opamp_msg_free(c->msg);
  tool_buf_free(&c->bytes);
  for (size_t i = 0; i < c->batched; i++) call_free(&c->batch[i]);
  free(c->batch);
  json_decref(c->state);
}

/* --- batch ---------------------------------------------------------------- */

static bool batch_fail(call *c, size_t i, const char *what) {
  char place[40];
  snprintf(place, sizeof place, "commands[%zu]", i);
  return arg_fail(c, place, what);
}

/* A queue that is full half-way would leave the batch half done. */
static bool customs_fit(call *c) {
  size_t n = 0;
  for (size_t i = 0; i < c->batched; i++) {
    const command *what = c->batch[i].command;
    if (what != NULL && what->run == run_custom) n++;
  }
  return n <= opamp_client_custom_room(c->a->client) ||
         arg_fail(c, "commands", "more custom messages than may wait");
}

static bool check_batch(call *c) {
  size_t i;
  json_t *args;
  const json_t *list = arg_need(c, "commands");
  if (list == NULL) return false;
  if (!json_is_array(list)) return arg_fail(c, "commands", "not a list");
  c->batch = calloc(json_array_size(list) + 1, sizeof *c->batch);
  if (c->batch == NULL) return arg_fail(c, "commands", "out of memory");
  json_array_foreach((json_t *)list, i, args) {
    call *one = &c->batch[c->batched++];
    *one = (call){.a = c->a, .args = args, .declared = c->declared};
    if (!check(one)) return batch_fail(c, i, one->err);
    if (one->command->alone) return batch_fail(c, i, "not in a batch");
    c->declared = one->declared;
  }
  return customs_fit(c);
}

static opamp_status run_batch(call *c) {
  opamp_status s = OPAMP_OK;
  opamp_client_hold(c->a->client);
  for (size_t i = 0; s == OPAMP_OK && i < c->batched; i++) {
    s = c->batch[i].command->run(&c->batch[i]);
    if (s != OPAMP_OK) batch_fail(c, i, opamp_errmsg());
  }
  opamp_client_release(c->a->client);
  return s;
}

/* --- one line ------------------------------------------------------------- */

static void print_result(agent *a, json_t *id, call *c, opamp_status s) {
  json_t *line = out_new(a, "result");
  json_object_set_new(line, "id", id != NULL ? json_incref(id) : json_null());
  json_object_set_new(line, "ok", json_boolean(s == OPAMP_OK));
  if (s != OPAMP_OK) {
    const char *why = c->err[0] != '\0' ? c->err : opamp_errmsg();
    char text[sizeof c->err]; /* names in it may have been cut anywhere */
    utf8_clean(text, sizeof text, why, strlen(why));
    json_object_set_new(line, "error", json_string(opamp_status_name(s)));
    json_object_set_new(line, "message", json_string(text));
  }
  if (c->state != NULL) json_object_set(line, "state", c->state);
  out_print(a, line);
}

void command_run(agent *a, const char *line, size_t len) {
  call c = {.a = a, .declared = a->declared};
  opamp_status s = OPAMP_ERR_INVALID;
  json_t *args = NULL, *id = NULL;
  if (line == NULL) {
    arg_fail(&c, "line", "too long");
  } else {
    args = tool_line_parse(line, len, c.err, sizeof c.err);
    id = args != NULL ? json_incref(json_object_get(args, "id"))
                      : tool_line_id(line, len);
  }
  c.args = args;
  if (args != NULL && check(&c)) s = c.command->run(&c);
  print_result(a, id, &c, s);
  call_free(&c);
  json_decref(id);
  json_decref(args);
}
