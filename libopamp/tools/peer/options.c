/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/options.h"

#include <stddef.h>

#include "peer/listener.h"

#define LISTEN "127.0.0.1:4320"
enum { ISSUE_SECONDS = 86400, ISSUE_SECONDS_MAX = 10 * 365 * 86400 };
#define PEER(member) (offsetof(peer_cli, peer) + offsetof(peer_options, member))

static const cli_option options[] = {
    {"listen", "HOST:PORT", "Server",
     "Where to listen; [ADDRESS]:PORT for IPv6, port 0 for any free port. The "
     "address is the first line printed. WebSocket and plain HTTP are served "
     "on the same port, on every path.",
     LISTEN, cli_set_text, PEER(listen), 0},
    {"config-dir", "DIR", NULL,
     "Offers the files below DIR to every agent that accepts remote "
     "configuration, and again when they change. Names that begin with a dot "
     "or end with ~ are left out. The hash is taken over names and contents.",
     NULL, cli_set_text, PEER(config_dir), 0},
    {"tls-cert", "FILE", "TLS",
     "PEM file with the server's certificate and its chain; without it "
     "connections are plain.",
     NULL, cli_set_text, PEER(tls_cert), 0},
    {"tls-key", "FILE", NULL,
     "PEM file with its key. Without it the key is in the file of --tls-cert.",
     NULL, cli_set_text, PEER(tls_key), 0},
    {"client-ca", "FILE", NULL,
     "PEM file of authorities; agents must show a certificate signed by one.",
     NULL, cli_set_text, PEER(client_ca), 0},
    {"client-ca-optional", NULL, NULL,
     "Lets in agents without a certificate, too; one that is shown must still "
     "be signed by an authority of --client-ca.",
     NULL, cli_set_switch, PEER(client_ca_optional), 0},
    {"issue-certificates", "CA.pem,CA.key", NULL,
     "PEM files of an authority, or one with both. An agent that asks for a "
     "certificate (connection_settings_request) is answered with an offer of "
     "one for its key, or with BadRequest.",
     NULL, cli_set_text, PEER(issue_certificates), 0},
    {"issue-seconds", "N", NULL,
     "How long they are valid; an agent asks for the next when two thirds are "
     "over.",
     "86400", cli_set_number, PEER(issue_seconds), 0},
    {"script", "FILE", "Control",
     "Commands to do at start, one JSON object per line, one after the other. "
     "A line may also have \"when\": EVENT, to wait for the next event of that "
     "name (its connection is then the one meant), and \"after_ms\": N, to "
     "wait then.",
     NULL, cli_set_text, offsetof(peer_cli, script), 0},
    {"control", NULL, NULL,
     "Reads commands from standard input, one JSON object per line; its end "
     "is the command stop.",
     NULL, cli_set_switch, offsetof(peer_cli, control), 0},
    {"json", NULL, NULL,
     "Prints every event as one JSON object per line instead of text.", NULL,
     cli_set_switch, offsetof(peer_cli, json), 0},
    CLI_END};

static const cli_option *const tables[] = {options, NULL};

static const char description[] =
    "An OpAMP server for one developer's desk and for tests. It prints every "
    "message it gets, answers it as a server should, and misbehaves on "
    "request. It is not meant for a fleet, nor for an open network: it asks "
    "nobody who they are.\n"
    "By itself it answers each AgentToServer with the agent's instance_uid "
    "and its capabilities, asks for the full state of an agent that it does "
    "not know or that left out a sequence number, and gives a new instance "
    "uid to one that requests it.\n"
    "Events: listening {address, tls}; connected {connection, transport, "
    "path, headers, with TLS tls {version, cipher, server_name, "
    "client_certificate {subject, issuer, not_after, sha256}}}; message "
    "{connection, instance_uid, sequence_num, "
    "message, over HTTP headers}; sent {connection, bytes, message}; "
    "bad_message {connection, message, code or http_status}; refused "
    "{connection, http_status, path, headers}, a request that got the answer "
    "of the command respond; closed {connection, code, clean, message}; "
    "connect_failed {connection, message}; result {id, ok, connections, or "
    "error and message}; log {level, message}. Each has event and t_ms, "
    "milliseconds since the start.\n"
    "Commands are objects with command, id (any value, returned in the "
    "result), and, but for accept and stop, connection: the number of an "
    "event, without it all of them. What is sent goes to WebSocket "
    "connections at once and to an HTTP agent as the answer to its next "
    "request.\n"
    "send {message}: a ServerToAgent as JSON, sent as it is.\n"
    "offer_config {files}: a remote configuration, {name: {body or "
    "body_base64, content_type, role}}.\n"
    "offer_settings {opamp, own_metrics, own_traces, own_logs, "
    "other_connections, hash}: connection settings, each with the fields of "
    "the specification (other_connections: {name: settings}). headers and "
    "connect_headers are {name: value} or {name: [values]}; cert, private_key, "
    "ca_cert and ca_pem_contents are PEM as text, or with _file behind the "
    "name "
    "the file of it. The hash is taken over the offer unless it is given, in "
    "hex.\n"
    "error {type, message, retry_after_ms}: an error_response; type is "
    "Unknown, BadRequest or Unavailable.\n"
    "respond {http_status, headers, body_base64, times}: the answer to the "
    "next requests or WebSocket upgrades, one unless times says otherwise; "
    "times 0 forgets those that wait.\n"
    "close {code, reason}: a Close frame, 1000 unless code says otherwise, 0 "
    "for one without a code; the end of an HTTP connection.\n"
    "reset: ends the connection with a TCP reset.\n"
    "stall {ms}: reads and answers nothing for that time, without ms until "
    "another stall; ms 0 ends it.\n"
    "garbage {base64, raw}: a binary message, or the body of a response, of "
    "these bytes; with raw true the bytes go into the connection as they "
    "are.\n"
    "text {text}: a text message, or a response of type text/plain.\n"
    "fragment {bytes}: messages that follow go out in frames, or chunks, of "
    "that size; 0 ends it.\n"
    "accept {on} or {off}: with off true, or on false, new connections are "
    "refused.\n"
    "auto_reply {on} or {off}: off, nothing is answered by itself; a request "
    "over HTTP waits for a command that answers it.\n"
    "stop: closes all connections in good order and ends.\n";

const cli_tool peer_cli_tool = {
    .name = "opamp-peer",
    .summary = "an OpAMP server for the desk, under your control",
    .synopsis = "[options]",
    .description = description,
    .tables = tables,
};

int peer_cli_parse(peer_cli *cli, int argc, char **argv) {
  *cli = (peer_cli){.peer = {.listen = LISTEN, .issue_seconds = ISSUE_SECONDS}};
  int code = cli_parse(&peer_cli_tool, cli, argc, argv);
  if (code >= 0) return code;
  if (!listener_is_address(cli->peer.listen))
    return cli_usage(&peer_cli_tool, "--listen: %s: not HOST:PORT",
                     cli->peer.listen);
  if (cli->peer.tls_cert == NULL &&
      (cli->peer.tls_key != NULL || cli->peer.client_ca != NULL))
    return cli_usage(&peer_cli_tool, "--%s: needs --tls-cert",
                     cli->peer.tls_key != NULL ? "tls-key" : "client-ca");
  if (cli->peer.client_ca_optional && cli->peer.client_ca == NULL)
    return cli_usage(&peer_cli_tool, "--client-ca-optional: needs --client-ca");
  if (cli->peer.issue_seconds < 1 ||
      cli->peer.issue_seconds > ISSUE_SECONDS_MAX)
    return cli_usage(&peer_cli_tool, "--issue-seconds: not from 1 to %d",
                     ISSUE_SECONDS_MAX);
  return -1;
}
