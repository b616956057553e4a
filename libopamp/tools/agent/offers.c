/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/child.h"
#include "agent/files.h"
#include "agent/watch.h"
#include "common/text.h"

/* One offer at a time:
 *
 *   place its files -> run --apply -> good: keep them, APPLIED
 *                                  -> bad:  restore the old ones, FAILED, and
 *                                           run --apply once more for those
 *                   -> without --apply: the verdict of --answer
 *
 * A newer offer waits until the command has ended; only the newest one does. */

enum { OUTPUT_KEPT = 4096 };

/* What --apply is running for. */
enum { IDLE, APPLYING, APPLYING_AGAIN };

struct offers {
  agent *a;
  files files;
  watch *watch;
  opamp_msg *offer; /* without a verdict yet */
  opamp_msg *next;  /* waits for the command that runs */
  child *running;
  int purpose;
  bool again; /* --apply is to be run again when the one that runs has ended */
};

static void begin(offers *o, opamp_event *e);

static opamp_bytes hash_of(const opamp_msg *offer) {
  return opamp_msg_bytes(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0);
}

static bool holds_offers(const offers *o) {
  return o->a->options.apply != NULL || o->a->options.config_dir != NULL ||
         o->a->options.answer == ANSWER_APPLIED;
}

/* --- reporting ------------------------------------------------------------ */

void offers_report(offers *o) {
  opamp_msg *m = NULL;
  if (!holds_offers(o)) return; /* set_effective_config is in charge */
  if (files_effective(&o->files, &m) != OPAMP_OK)
    out_log(o->a, OPAMP_LOG_WARN, "effective configuration: %s",
            opamp_errmsg());
  else if (m != NULL)
    opamp_client_set_effective_config(o->a->client, m);
  opamp_msg_free(m);
}

static void on_change(void *user_data) {
  offers *o = user_data;
  /* What is only on trial is not in effect; the verdict will report it. */
  if (o->offer == NULL) offers_report(o);
}

/* Says what came of the offer, in one message with what is in effect now. `e`
 * is its event while that is at hand. */
static void verdict(offers *o, opamp_event *e, bool applied, const char *why) {
  opamp_client *c = o->a->client;
  opamp_client_hold(c);
  if (e != NULL && applied)
    opamp_event_accept(e);
  else if (e != NULL)
    opamp_event_reject(e, why);
  else
    opamp_client_set_remote_config_status(
        c, hash_of(o->offer),
        applied ? OPAMP_REMOTE_CONFIG_STATUSES_APPLIED
                : OPAMP_REMOTE_CONFIG_STATUSES_FAILED,
        applied ? NULL : why);
  opamp_msg_free(o->offer);
  o->offer = NULL;
  offers_report(o);
  opamp_client_release(c);
  watch_renew(o->watch);
}

/* The old files are back, or it is said why not. True: there are some. */
static bool restore(offers *o) {
  bool any = false;
  if (files_restore(&o->files, &any) == OPAMP_OK) return any;
  out_log(o->a, OPAMP_LOG_ERROR, "restoring the configuration: %s",
          files_why(&o->files));
  return false;
}

/* --- running --apply ------------------------------------------------------ */

/* How many files --apply is run for. */
static size_t count_files(offers *o, const opamp_msg *offer) {
  opamp_msg *m = NULL;
  const opamp_msg *map =
      opamp_msg_sub(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
  if (offer == NULL && files_effective(&o->files, &m) == OPAMP_OK)
    map = opamp_msg_sub(m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP, 0);
  size_t n = opamp_msg_count(map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP);
  opamp_msg_free(m);
  return n;
}

static void on_applied(void *user_data, const child_result *r);

/* Runs --apply for `offer`, whose files are in place; NULL for a set that was
 * there before any offer. False with `why`. */
static bool run_apply(offers *o, int purpose, const opamp_msg *offer, char *why,
                      size_t room) {
  const agent_options *opt = &o->a->options;
  tool_buf dir = {0}, hash = {0}, count = {0};
  tool_buf_printf(&dir, "OPAMP_CONFIG_DIR=%s", files_path(&o->files));
  tool_buf_text(&hash, "OPAMP_CONFIG_HASH=");
  tool_hex_format(&hash, hash_of(offer));
  tool_buf_add(&hash, "", 1);
  tool_buf_printf(&count, "OPAMP_CONFIG_FILES=%zu", count_files(o, offer));
  const char *env[] = {(char *)dir.ptr, (char *)hash.ptr, (char *)count.ptr,
                       NULL};
  child_spec spec = {opt->apply, env, opt->apply_timeout_ms, OUTPUT_KEPT,
                     CHILD_OUTPUT_KEPT};
  errno = ENOMEM;
  if (!dir.failed && !hash.failed && !count.failed)
    o->running = child_start(&o->a->waits, &spec, on_applied, o);
  if (o->running == NULL) snprintf(why, room, "--apply: %s", strerror(errno));
  o->purpose = o->running != NULL ? purpose : IDLE;
  tool_buf_free(&dir);
  tool_buf_free(&hash);
  tool_buf_free(&count);
  return o->running != NULL;
}

static void apply_again(offers *o) {
  char why[200];
  if (o->a->stopping || o->a->options.apply == NULL) return;
  if (run_apply(o, APPLYING_AGAIN, o->files.good, why, sizeof why)) return;
  files_remove_private(&o->files);
  out_log(o->a, OPAMP_LOG_ERROR, "%s", why);
}

void offers_apply_again(offers *o) {
  if (o->running != NULL) {
    o->again = true;
    return;
  }
  /* An offer without a verdict is in place; --apply is not set then. */
  if (o->a->options.apply == NULL) return;
  if (o->files.form == FILES_PRIVATE &&
      (o->files.good == NULL ||
       files_place(&o->files, o->files.good) != OPAMP_OK))
    return;
  apply_again(o);
}

/* The files of the offer were in place and are bad, for the reason `why`. */
static void failed(offers *o, opamp_event *e, const char *why) {
  bool any = restore(o);
  out_log(o->a, OPAMP_LOG_INFO, "configuration refused: %s", why);
  verdict(o, e, false, why);
  if (any) apply_again(o);
}

static void succeeded(offers *o, opamp_event *e) {
  char why[400];
  if (files_keep(&o->files, o->offer) == OPAMP_OK) {
    verdict(o, e, true, NULL);
    return;
  }
  snprintf(why, sizeof why, "%s", opamp_errmsg());
  failed(o, e, why);
}

static void on_applied(void *user_data, const child_result *r) {
  offers *o = user_data;
  char how[OUTPUT_KEPT + 100];
  int purpose = o->purpose;
  o->running = NULL;
  o->purpose = IDLE;
  files_remove_private(&o->files);
  child_describe(r, how, sizeof how);
  if (purpose == APPLYING && r->exit_code == 0 && !r->timed_out)
    succeeded(o, NULL);
  else if (purpose == APPLYING)
    failed(o, NULL, how);
  else if (r->exit_code != 0)
    out_log(o->a, OPAMP_LOG_ERROR, "--apply for the old files: %s", how);
  if (o->running != NULL) return; /* for the old files now */
  if (o->next != NULL) {
    o->offer = o->next;
    o->next = NULL;
    o->again = false;
    begin(o, NULL);
  } else if (o->again) {
    o->again = false;
    offers_apply_again(o);
  }
}

/* --- taking offers -------------------------------------------------------- */

/* o->offer is new; `e` is its event while that is at hand. */
static void begin(offers *o, opamp_event *e) {
  const agent_options *opt = &o->a->options;
  char why[400];
  if (files_place(&o->files, o->offer) != OPAMP_OK) {
    snprintf(why, sizeof why, "%s", files_why(&o->files));
    files_remove_private(&o->files);
    out_log(o->a, OPAMP_LOG_WARN, "configuration refused: %s", why);
    verdict(o, e, false, why);
    return;
  }
  watch_renew(o->watch);
  if (opt->apply != NULL) {
    if (!run_apply(o, APPLYING, o->offer, why, sizeof why))
      failed(o, e, why);
    else if (e != NULL)
      opamp_event_defer(e);
  } else if (opt->answer == ANSWER_APPLIED) {
    succeeded(o, e);
  } else if (opt->answer == ANSWER_FAILED) {
    failed(o, e, "refused, because the agent runs with --answer failed");
  } else if (e != NULL) {
    opamp_event_defer(e);
  }
}

void offers_take(offers *o, opamp_event *e) {
  opamp_msg *copy;
  if (opamp_msg_dup(&copy, opamp_event_msg(e)) != OPAMP_OK) {
    opamp_event_reject(e, "out of memory");
    return;
  }
  if (o->running != NULL) {
    opamp_msg_free(o->next);
    o->next = copy;
    opamp_event_defer(e);
    return;
  }
  opamp_msg_free(o->offer);
  o->offer = copy;
  begin(o, e);
}

void offers_status(offers *o, opamp_bytes hash, int status) {
  if (o->offer == NULL || o->running != NULL) return;
  opamp_bytes mine = hash_of(o->offer);
  if (hash.len != mine.len || memcmp(hash.ptr, mine.ptr, mine.len) != 0) return;
  if (status == OPAMP_REMOTE_CONFIG_STATUSES_APPLIED) {
    if (files_keep(&o->files, o->offer) != OPAMP_OK)
      out_log(o->a, OPAMP_LOG_ERROR, "%s", opamp_errmsg());
  } else if (status == OPAMP_REMOTE_CONFIG_STATUSES_FAILED) {
    restore(o);
  } else {
    return;
  }
  opamp_msg_free(o->offer);
  o->offer = NULL;
  offers_report(o);
  watch_renew(o->watch);
}

void offers_stop(offers *o) {
  const char *why =
      "the agent was stopped before the configuration was applied";
  child_kill(o->running);
  o->running = NULL;
  if (o->offer != NULL) restore(o);
  files_remove_private(&o->files);
  if (o->next != NULL) {
    opamp_msg_free(o->offer);
    o->offer = o->next;
    o->next = NULL;
  }
  if (o->offer != NULL) verdict(o, NULL, false, why);
}

/* --- life ----------------------------------------------------------------- */

/* The last run ended between placing files and the verdict on them. */
static void recover(offers *o) {
  if (opamp_configdir_is_good(o->files.dir)) return;
  out_log(o->a, OPAMP_LOG_WARN,
          "the last configuration was not applied to the end; the one before "
          "it is back");
  if (restore(o)) apply_again(o);
}

offers *offers_new(agent *a) {
  const agent_options *opt = &a->options;
  offers *o = calloc(1, sizeof *o);
  if (o == NULL) return NULL;
  o->a = a;
  int form = opt->config_dir != NULL ? FILES_KEPT
             : opt->apply != NULL    ? FILES_PRIVATE
                                     : FILES_NOWHERE;
  if (files_open(&o->files, form, opt->config_dir) != OPAMP_OK) {
    free(o);
    return NULL;
  }
  if (form != FILES_KEPT) return o;
  recover(o);
  o->watch =
      watch_new(&a->waits, opamp_configdir_path(o->files.dir), on_change, o);
  if (o->watch == NULL)
    out_log(a, OPAMP_LOG_WARN, "changes of %s will not be seen: %s",
            opt->config_dir, strerror(errno));
  offers_report(o);
  return o;
}

void offers_free(offers *o) {
  if (o == NULL) return;
  child_kill(o->running);
  if (o->offer != NULL) restore(o);
  watch_free(o->watch);
  files_close(&o->files);
  opamp_msg_free(o->offer);
  opamp_msg_free(o->next);
  free(o);
}
