/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CORE_CORE_H
#define OPAMP_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/url.h"
#include "core/event.h"
#include "core/numbers.h"
#include "opamp/client.h"

/* The protocol of one agent as a pure state machine: inputs and the time go
 * in, actions and one deadline come out. It has no clock, socket, thread, file
 * or random source, and never calls back. Every deadline of the protocol is
 * here; a transport has none.
 *
 *   opamp__core_feed(core, &input, now);
 *   while (opamp__core_next(core, &action)) perform(&action);
 *   arm(opamp__core_deadline(core));
 *
 * Inputs of the application may be fed together, and then share one message; an
 * input of the transport or the clock needs its actions drained before the
 * next one. */

typedef struct opamp__core opamp__core;

/* What it cannot do itself. */
typedef struct opamp__core_env {
  uint64_t (*random)(void *ctx);
  void (*sha256)(opamp_bytes in, uint8_t out[32]);
  /* Whether connection settings, laid over what is configured, can be used at
   * all: their certificate, key, cipher suites, proxy, headers. Else opamp_errmsg
   * says why not. */
  opamp_status (*usable)(void *ctx, const opamp_msg *settings);
  /* In how many ms this share of a certificate's life is over, 0 when it is;
   * -1 when nobody can tell. */
  int64_t (*renew_in)(void *ctx, opamp_bytes pem, uint64_t percent);
  void *ctx;
} opamp__core_env;

/* What it is told at birth. Borrowed: must outlive the core. */
typedef struct opamp__core_config {
  const uint64_t *numbers; /* OPAMP__NUMBERS of them, indexed by OPAMP_OPT_… */
  const opamp__url *url;
  uint64_t capabilities;
  uint8_t uid[OPAMP_UID_LEN];
  bool own_uid; /* nobody chose it: one from the store is better */
  bool store;   /* LOAD, SAVE and ERASE are performed */
  int tls_min;  /* the lowest TLS version, as opamp__tls_version */
  opamp__core_env env;
} opamp__core_config;

/* --- inputs --------------------------------------------------------------- */

typedef enum opamp__in_kind {
  /* From the application. */
  OPAMP__IN_START = 1,
  OPAMP__IN_STOP,         /* silent */
  OPAMP__IN_SET,          /* field, value: a row of AgentToServer */
  OPAMP__IN_CAPABILITIES, /* number */
  OPAMP__IN_CUSTOM,       /* value: a packed CustomMessage */
  OPAMP__IN_STATUS,       /* field 7 or 15, hash, status, text */
  OPAMP__IN_ANSWER,       /* offer, verdict, text; field: of the status */
  OPAMP__IN_FORGET,       /* number: OPAMP_EVENT_… kind of the offer */
  OPAMP__IN_FLUSH,
  OPAMP__IN_HEADERS,   /* the headers were replaced */
  OPAMP__IN_HEARTBEAT, /* number: ms */
  OPAMP__IN_CERTIFICATE, /* ask the server for one */
  /* From the transport. */
  OPAMP__IN_OPENED,
  OPAMP__IN_FRAME, /* frame */
  OPAMP__IN_ALIVE,
  OPAMP__IN_WRITTEN,
  OPAMP__IN_CLOSED, /* closed */
  /* From the store and the maker of keys; result, and text when it failed. */
  OPAMP__IN_LOADED, /* number: OPAMP__KEEP_…, frame; NOTFOUND: there is none */
  OPAMP__IN_SAVED,  /* number; also what became of an ERASE */
  OPAMP__IN_KEY,    /* hash: a private key, frame: its signing request, PEM */
  /* From the clock: the deadline has come (harmless when it has not). */
  OPAMP__IN_TICK
} opamp__in_kind;

typedef enum opamp__verdict {
  OPAMP__ACCEPT = 1,
  OPAMP__REJECT,
  OPAMP__DEFER
} opamp__verdict;

typedef struct opamp__in_closed {
  opamp_status why;
  int http_status;
  int close_code;
  int64_t retry_after_ms; /* -1: none given */
  opamp_str text;
  opamp_str location;
  opamp_str body;
} opamp__in_closed;

typedef struct opamp__input {
  opamp__in_kind kind;
  bool silent;       /* STOP: without AgentDisconnect */
  int field;         /* SET, STATUS: AgentToServer's field number */
  opamp__buf *value; /* SET, CUSTOM: canonical bytes; taken over (the
                        buffer is left empty) when feed returns OK */
  uint64_t number;   /* CAPABILITIES, FORGET, HEARTBEAT, LOADED, SAVED */
  uint32_t offer;    /* ANSWER: opamp_event.offer */
  opamp__verdict verdict;
  int status;        /* STATUS: APPLIED, APPLYING, FAILED */
  opamp_status result; /* LOADED, SAVED, KEY */
  opamp_bytes hash;  /* STATUS, KEY */
  opamp_str text;    /* ANSWER, STATUS, LOADED, SAVED, KEY: the error */
  opamp_bytes frame; /* FRAME, LOADED, KEY */
  const opamp__in_closed *closed;
} opamp__input;

/* --- what the store keeps ------------------------------------------------- */

enum {
  OPAMP__KEEP_UID,      /* 16 bytes */
  OPAMP__KEEP_CONFIG,   /* the last accepted AgentRemoteConfig */
  OPAMP__KEEP_PARTS,    /* ConnectionSettingsOffers: the accepted parts that are
                           the application's */
  OPAMP__KEEP_SETTINGS, /* accepted OpAMP settings, those on trial, the last
                           offer's status */
  OPAMP__KEEP_KEY,      /* the private key of a certificate asked for */
  OPAMP__KEEPS
};

/* "instance_uid": what a key is called outside; NULL for none. */
const char *opamp__keep_name(int key);
/* Whether the value may hold keys, tokens, passwords. */
bool opamp__keep_secret(int key);

/* --- actions -------------------------------------------------------------- */

typedef enum opamp__act_kind {
  OPAMP__DO_OPEN = 1, /* url, credentials: answered by OPENED or CLOSED. Over
                         HTTP it only says where the next SEND goes */
  OPAMP__DO_SEND,     /* frame: answered by WRITTEN (WebSocket), or OPENED (the
                         request leaves) and FRAME or CLOSED (HTTP) */
  OPAMP__DO_PING,
  OPAMP__DO_CLOSE, /* code: answered by CLOSED */
  OPAMP__DO_ABORT, /* the connection is gone at once; nothing answers */
  OPAMP__DO_EMIT,  /* event, whose owner is the caller now */
  OPAMP__DO_LOAD,  /* code: OPAMP__KEEP_…; answered by LOADED */
  OPAMP__DO_SAVE,  /* code, frame: stays until SAVED, which answers it */
  OPAMP__DO_ERASE, /* code: answered by SAVED */
  OPAMP__DO_KEY    /* make a key and its signing request: answered by KEY */
} opamp__act_kind;

typedef struct opamp__action {
  uint8_t kind;     /* OPAMP__DO_…: which of the rest is meant */
  bool credentials; /* OPEN: the application's headers may go there */
  uint16_t code;    /* CLOSE; LOAD, SAVE, ERASE */
  union {
    const opamp__url *url; /* OPEN: borrowed until the next feed */
    uint8_t *frame;        /* SEND: OPAMP__FRAME_ROOM bytes of room in front;
                              stays until WRITTEN, FRAME or CLOSED */
    opamp_event *event;    /* EMIT */
  };
  size_t len; /* SEND, SAVE */
} opamp__action;

/* Room in front of a frame; the transport's OPAMP__FRAME_ROOM is no more. */
enum { OPAMP__CORE_FRAME_ROOM = 32 };

/* --- looking in ----------------------------------------------------------- */

/* Kept up to date by every feed; the runtime copies it for the getters. */
typedef struct opamp__core_view {
  int state; /* OPAMP_STATE_… */
  uint64_t since;
  uint64_t retry_at; /* UINT64_MAX: does not wait */
  uint64_t capabilities;
  uint64_t server_capabilities;
  int64_t sequence_num;
  uint64_t undelivered; /* bits of AgentToServer's fields */
  uint64_t parked;
  uint32_t customs; /* custom messages that wait */
  uint32_t server_customs; /* grows when the server declares some */
  uint32_t settings; /* grows when opamp__core_settings is another */
  uint8_t uid[OPAMP_UID_LEN];
  uint64_t counters[OPAMP_COUNT_END];
} opamp__core_view;

/* --- life ----------------------------------------------------------------- */

opamp_status opamp__core_new(opamp__core **out,
                             const opamp__core_config *config);
void opamp__core_free(opamp__core *core);

/* OPAMP_OK, or OPAMP_ERR_NOMEM for an input of the application that could not
 * be kept, and then nothing has changed. Inputs of the transport always take
 * effect. */
opamp_status opamp__core_feed(opamp__core *core, const opamp__input *in,
                              uint64_t now_ms);
/* The next action; false when there is none. */
bool opamp__core_next(opamp__core *core, opamp__action *out);
/* When to feed TICK; UINT64_MAX: no need. */
uint64_t opamp__core_deadline(const opamp__core *core);
const opamp__core_view *opamp__core_look(const opamp__core *core);
/* Where the next connection goes. Borrowed until the next feed. */
const opamp__url *opamp__core_url(const opamp__core *core);
/* The OpAMPConnectionSettings it is made with, over what is configured: a
 * sub-message that is there replaces that; NULL: as configured. Borrowed as
 * long as view.settings stays. */
const opamp_msg *opamp__core_settings(const opamp__core *core);
/* The CustomCapabilities the server declared last, packed. Borrowed. */
opamp_bytes opamp__core_server_customs(const opamp__core *core);

#endif
