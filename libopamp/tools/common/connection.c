/* SPDX-License-Identifier: Apache-2.0 */
#include "common/connection.h"

#include <stdlib.h>
#include <string.h>

/* --- setters -------------------------------------------------------------- */

static bool set_url(const cli_option *o, void *target, const char *value,
                    char *why, size_t room) {
  connection_options *c = target;
  (void)o;
  if (c->url != NULL) {
    snprintf(why, room, "there can be only one (%s)", value);
    return false;
  }
  c->url = value;
  if (opamp_options_set_text(c->library, OPAMP_TEXT_URL, value) == OPAMP_OK)
    return true;
  snprintf(why, room, "%s", opamp_errmsg());
  return false;
}

bool connection_set_number(const cli_option *o, void *target, const char *value,
                           char *why, size_t room) {
  connection_options *c = target;
  uint64_t n;
  if (!cli_parse_number(value, &n)) {
    snprintf(why, room, "'%s' is no whole number", value);
    return false;
  }
  if (opamp_options_set_number(c->library, o->key, n) == OPAMP_OK) return true;
  snprintf(why, room, "%s is not from %llu to %llu", value,
           (unsigned long long)opamp_option_min(o->key),
           (unsigned long long)opamp_option_max(o->key));
  return false;
}

bool connection_set_switch(const cli_option *o, void *target, const char *value,
                           char *why, size_t room) {
  connection_options *c = target;
  (void)value, (void)why, (void)room;
  return opamp_options_set_number(c->library, o->key, 1) == OPAMP_OK;
}

bool connection_set_text(const cli_option *o, void *target, const char *value,
                         char *why, size_t room) {
  connection_options *c = target;
  if (o->key == OPAMP_TEXT_TLS_CERT_FILE) c->cert = value;
  if (o->key == OPAMP_TEXT_TLS_KEY_FILE) c->key = value;
  if (opamp_options_set_text(c->library, o->key, value) == OPAMP_OK)
    return true;
  snprintf(why, room, "%s", opamp_errmsg());
  return false;
}

const char *connection_default(const cli_option *o, char *buf, size_t room) {
  if (o->set == connection_set_text || o->set == connection_set_switch ||
      opamp_option_name(o->key) == NULL)
    return NULL;
  snprintf(buf, room, "%llu", (unsigned long long)opamp_option_default(o->key));
  return buf;
}

bool header_split(const char *line, size_t *name_len, const char **value,
                  size_t *value_len) {
  size_t n = strcspn(line, ":");
  if (line[n] == '\0' || n == 0) return false;
  const char *v = line + n + 1;
  v += strspn(v, " \t");
  size_t len = strlen(v);
  while (len > 0 && strchr(" \t\r", v[len - 1]) != NULL) len--;
  *name_len = n;
  *value = v;
  *value_len = len;
  return true;
}

typedef opamp_status (*header_adder)(opamp_options *o, const char *name,
                                     const char *value);

/* The value may be a secret and is not repeated. */
static bool give_header(opamp_options *library, header_adder add,
                        const char *value, char *why, size_t room) {
  size_t name_len, len;
  const char *v;
  if (!header_split(value, &name_len, &v, &len)) {
    snprintf(why, room, "is not 'Name: value'");
    return false;
  }
  char *name = strndup(value, name_len), *text = strndup(v, len);
  bool ok =
      name != NULL && text != NULL && add(library, name, text) == OPAMP_OK;
  if (!ok)
    snprintf(why, room, "%.*s: %s", (int)name_len, value, opamp_errmsg());
  free(name);
  free(text);
  return ok;
}

static bool add_header(const cli_option *o, void *target, const char *value,
                       char *why, size_t room) {
  connection_options *c = target;
  return give_header(c->library, opamp_options_add_header, value, why, room) &&
         cli_add_text(o, target, value, why, room);
}

static bool add_proxy_header(const cli_option *o, void *target,
                             const char *value, char *why, size_t room) {
  connection_options *c = target;
  (void)o;
  return give_header(c->library, opamp_options_add_proxy_header, value, why,
                     room);
}

/* --- the tables ----------------------------------------------------------- */

#define AT(member) offsetof(connection_options, member)
#define TEXT(name, arg, group, help, fallback, key) \
  { name, arg, group, help, fallback, connection_set_text, 0, key }

const cli_option connection_url[] = {{"", "URL", NULL, "", NULL, set_url, 0, 0},
                                     CLI_END};

const cli_option connection_rows[] = {
    {"header", "'NAME: VALUE'", "Connection",
     "A header of every request. Repeatable.", NULL, add_header, AT(headers),
     0},
    {"compression", "none|auto", NULL,
     "auto: permessage-deflate over WebSocket, gzip over HTTP.", "none",
     cli_set_choice, AT(compression), 0},
    {"proxy", "URL", NULL,
     "Connect through this proxy: "
     "[http|https|socks5|socks5h://][USER:PASSWORD@]"
     "HOST[:PORT].",
     NULL, connection_set_text, 0, OPAMP_TEXT_PROXY},
    {"proxy-header", "'NAME: VALUE'", NULL,
     "A header for the proxy. Repeatable.", NULL, add_proxy_header, 0, 0},
    {"proxy-from-env", NULL, NULL,
     "Without --proxy: the one that https_proxy, http_proxy, all_proxy and "
     "no_proxy name.",
     NULL, connection_set_switch, 0, OPAMP_OPT_PROXY_FROM_ENV},
    CLI_END};

const cli_option connection_tls_rows[] = {
    TEXT("ca", "FILE", "TLS",
         "PEM file of the authorities to trust, or a directory.",
         "those of the system", OPAMP_TEXT_TLS_CA_FILE),
    {"system-ca", NULL, NULL, "Trust those of the system beside --ca.", NULL,
     cli_set_switch, AT(system_ca), 0},
    TEXT("cert", "FILE", NULL,
         "PEM file of the client's certificate and its chain.", NULL,
         OPAMP_TEXT_TLS_CERT_FILE),
    TEXT("key", "FILE", NULL, "PEM file of its key.", NULL,
         OPAMP_TEXT_TLS_KEY_FILE),
    {"insecure", NULL, NULL, "Accept any certificate and any name.", NULL,
     cli_set_switch, AT(insecure), 0},
    TEXT("tls-min", "VERSION", NULL, "The lowest TLS version.", "1.2",
         OPAMP_TEXT_TLS_MIN_VERSION),
    TEXT("tls-max", "VERSION", NULL, "The highest TLS version.",
         "the highest there is", OPAMP_TEXT_TLS_MAX_VERSION),
    TEXT("ciphers", "LIST", NULL,
         "Cipher suites by their IANA names, separated by commas.",
         "those of OpenSSL", OPAMP_TEXT_TLS_CIPHERS),
    CLI_END};

/* --- beginning and end ---------------------------------------------------- */

bool connection_begin(const cli_tool *tool, connection_options *c) {
  if (opamp_options_new(&c->library) == OPAMP_OK) return true;
  fprintf(stderr, "%s: %s\n", tool->name, opamp_errmsg());
  return false;
}

int connection_settle(const cli_tool *tool, connection_options *c) {
  opamp_options *l = c->library;
  if (c->url == NULL) return cli_usage(tool, "URL is missing");
  if ((c->cert == NULL) != (c->key == NULL))
    return cli_usage(tool, "--cert and --key need each other");
  opamp_options_set_number(l, OPAMP_OPT_COMPRESSION, c->compression == 1);
  opamp_options_set_number(l, OPAMP_OPT_TLS_SYSTEM_CA, c->system_ca);
  opamp_options_set_number(l, OPAMP_OPT_TLS_INSECURE, c->insecure);
  return -1;
}

void connection_free(connection_options *c) {
  opamp_options_free(c->library);
  cli_list_free(&c->headers);
}
