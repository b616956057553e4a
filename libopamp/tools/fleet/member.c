/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fleet/fleet.h"

/* --- what an agent reports ------------------------------------------------ */

static opamp_status describe(fleet *f, member *m) {
  uint8_t uid[OPAMP_UID_LEN];
  char text[OPAMP_UID_TEXT_LEN + 1];
  opamp_msg *d;
  opamp_status s = opamp_msg_new(&d, OPAMP_MSG_AGENT_DESCRIPTION);
  opamp_client_instance_uid(m->client, uid);
  opamp_uid_format(uid, text);
  if (s == OPAMP_OK)
    s = opamp_description_identify(d, "service.name", f->options->service_name);
  if (s == OPAMP_OK)
    s = opamp_description_identify(d, "service.instance.id", text);
  if (s == OPAMP_OK) s = opamp_client_set_description(m->client, d);
  opamp_msg_free(d);
  return s;
}

bool member_report_health(fleet *f, member *m, uint64_t turn) {
  char status[40];
  (void)f;
  snprintf(status, sizeof status, "turn %llu", (unsigned long long)turn);
  return opamp_client_report_health(m->client, true, status, NULL) == OPAMP_OK;
}

bool member_make(fleet *f, member *m) {
  if (opamp_client_new(&m->client, f->loop, f->options->connection.library) !=
      OPAMP_OK)
    return false;
  opamp_client_set_user_data(m->client, m);
  return describe(f, m) == OPAMP_OK && member_report_health(f, m, 0);
}

bool member_start(fleet *f, member *m) {
  if (opamp_client_start(m->client) != OPAMP_OK) return false;
  m->running = m->dialling = true;
  f->running++;
  f->dialling++;
  return true;
}

/* --- offers --------------------------------------------------------------- */

static bool chosen_to_fail(fleet *f) {
  return pace_random(f, 100) < f->options->fail_percent;
}

static const char refusal[] = "chosen by --fail-percent";

void member_applied(fleet *f, const applying *a) {
  bool fails = chosen_to_fail(f);
  /* A client that was stopped meanwhile has no use for it; nor has the server
   * for the status of an offer that it has replaced. */
  (void)opamp_client_set_remote_config_status(
      a->who->client, opamp_event_bytes(a->offer),
      fails ? OPAMP_REMOTE_CONFIG_STATUSES_FAILED
            : OPAMP_REMOTE_CONFIG_STATUSES_APPLIED,
      fails ? refusal : NULL);
  opamp_event_free(a->offer);
}

/* Whether the event was kept. */
static bool take_offer(fleet *f, member *m, opamp_event *offer) {
  if (f->options->apply_delay_ms > 0) {
    opamp_event_defer(offer);
    return pace_apply_later(f, m, offer);
  }
  if (chosen_to_fail(f))
    opamp_event_reject(offer, refusal);
  else
    opamp_event_accept(offer);
  return false;
}

static void count_status(fleet *f, const opamp_event *e) {
  int64_t state = opamp_event_number(e, OPAMP_NUM_STATE);
  if (state == OPAMP_REMOTE_CONFIG_STATUSES_APPLIED) f->applied++;
  if (state == OPAMP_REMOTE_CONFIG_STATUSES_FAILED) f->failed++;
}

static void count_settings(fleet *f, const opamp_event *e) {
  int64_t state = opamp_event_number(e, OPAMP_NUM_STATE);
  if (state == OPAMP_CONNECTION_SETTINGS_STATUSES_APPLIED)
    f->settings_applied++;
  if (state == OPAMP_CONNECTION_SETTINGS_STATUSES_FAILED) f->settings_failed++;
}

/* --- messages ------------------------------------------------------------- */

static uint32_t short_now(const fleet *f) {
  return (uint32_t)(fleet_now_us() - f->begun_us);
}

static void forget_oldest(member *m) {
  m->unanswered--;
  memmove(m->sent_us, m->sent_us + 1, m->unanswered * sizeof *m->sent_us);
}

static void count_sent(fleet *f, member *m, const opamp_event *e) {
  f->sent++;
  f->bytes_sent += (uint64_t)opamp_event_number(e, OPAMP_NUM_SIZE);
  if (m->unanswered == FLEET_UNANSWERED) forget_oldest(m);
  m->sent_us[m->unanswered++] = short_now(f);
}

/* A message that nothing waits for is one that the server sent by itself. */
static void count_received(fleet *f, member *m, const opamp_event *e) {
  f->received++;
  f->bytes_received += (uint64_t)opamp_event_number(e, OPAMP_NUM_SIZE);
  if (m->unanswered == 0) return;
  uint32_t us = short_now(f) - m->sent_us[0];
  histogram_add(&f->latency, us);
  histogram_add(&f->recent, us);
  forget_oldest(m);
}

/* --- connections ---------------------------------------------------------- */

static void dialled(fleet *f, member *m) {
  f->dialling -= m->dialling;
  m->dialling = false;
}

static void connected(fleet *f, member *m) {
  dialled(f, m);
  f->connected += !m->connected;
  m->connected = true;
  if (f->connected < f->options->n || f->all_connected_us != 0) return;
  f->all_connected_us = fleet_now_us() - f->begun_us;
  f->steady_sent = f->sent;
  f->steady_cpu_us = report_cpu_us();
}

static void reported(fleet *f, member *m) {
  f->reported += !m->reported;
  m->reported = true;
  if (f->reported == f->options->n && f->all_reported_us == 0)
    f->all_reported_us = fleet_now_us() - f->begun_us;
}

static void disconnected(fleet *f, member *m) {
  f->connected -= m->connected;
  m->connected = false;
  m->unanswered = 0;
}

static void stopped(fleet *f, member *m) {
  dialled(f, m);
  disconnected(f, m);
  f->running -= m->running;
  m->running = false;
  if (m->restart && !f->stopping) (void)member_start(f, m);
  m->restart = false;
}

static void count_error(fleet *f, opamp_status status) {
  for (size_t i = 0; i < FLEET_ERRORS; i++) {
    error_count *e = &f->errors[i];
    if (e->count > 0 && e->status != status) continue;
    e->status = status;
    e->count++;
    return;
  }
}

void member_event(fleet *f, opamp_event *e) {
  member *m = opamp_event_user_data(e);
  bool kept = false;
  switch (m == NULL ? 0 : opamp_event_kind(e)) {
    case OPAMP_EVENT_CONNECTED:
      connected(f, m);
      break;
    case OPAMP_EVENT_CONNECT_FAILED:
      dialled(f, m);
      f->connect_failures++;
      count_error(f, opamp_event_status(e));
      break;
    case OPAMP_EVENT_DISCONNECTED:
      disconnected(f, m);
      f->disconnects++;
      count_error(f, opamp_event_status(e));
      break;
    case OPAMP_EVENT_STOPPED:
      stopped(f, m);
      break;
    case OPAMP_EVENT_DELIVERED:
      reported(f, m);
      break;
    case OPAMP_EVENT_MESSAGE_SENT:
      count_sent(f, m, e);
      break;
    case OPAMP_EVENT_MESSAGE_RECEIVED:
      count_received(f, m, e);
      break;
    case OPAMP_EVENT_REMOTE_CONFIG:
      kept = take_offer(f, m, e);
      break;
    case OPAMP_EVENT_REMOTE_CONFIG_STATUS:
      count_status(f, e);
      break;
    case OPAMP_EVENT_CONNECTION_SETTINGS_STATUS:
      count_settings(f, e);
      break;
    case OPAMP_EVENT_BAD_MESSAGE:
    case OPAMP_EVENT_SERVER_ERROR:
      count_error(f, opamp_event_status(e));
      break;
    default:
      break;
  }
  if (!kept) opamp_event_free(e);
}
