/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_STORE_H
#define OPAMP_STORE_H

#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * What survives a restart: the instance uid, the last accepted offers,
 * connection settings in use and on trial, the key of a certificate that was
 * asked for.
 *
 * Option STATE_DIR names a directory, and that is all there is to it: nobody
 * needs this header then. Files are replaced whole, so that after a crash the
 * old content is there or the new one; a second client is kept out by a lock.
 *
 * With option STORE the application keeps it, in a database, in the host's own
 * files. It is asked by events, and answers in its own time (option
 * STORE_TIMEOUT), naming the REQUEST of the event:
 *
 * @verbatim
 *   STORE_LOAD     the value of a key (text)      → _loaded, or _failed
 *   STORE_SAVE     keep a value (bytes) under     → _saved, or _failed
 *                  a key (text); SECRET is 1
 *                  when it may hold keys, tokens
 *                  or passwords
 *   STORE_ERASE    forget a key (text)            → _saved, or _failed
 * @endverbatim
 *
 * A client loads when it is started for the first time, and connects when it
 * has been answered. For each key there is one request at a time, and a value is
 * bytes without a meaning for the application. "Saved" means that a crash of the
 * machine does not take it back: a switch to offered settings begins only then.
 * What could not be saved is asked for again after a minute; what could not be
 * loaded is logged as an error, and the client goes on without it, but keeps
 * its hands off an instance uid that is there. An answer that comes after its
 * time changes nothing.
 *
 * Keys are texts of at most 40 letters, digits and underscores: instance_uid,
 * remote_config, connection_settings, opamp_settings, private_key. Versions to
 * come may have more. */

#ifdef __cplusplus
extern "C" {
#endif

/** The value of the key, as it was saved last; copied. An absent one (ptr NULL)
 * says that there is none, an empty one that it is empty.
 * @retval OPAMP_ERR_STATE    no such request waits for this: it was answered, or
 *                            asks for another answer
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_store_loaded(opamp_client *c,
                                                 int64_t request,
                                                 opamp_bytes value);

/** It is saved, or erased, for good.
 * @retval OPAMP_ERR_STATE    no such request waits for this: it was answered, or
 *                            asks for another answer
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_store_saved(opamp_client *c,
                                                int64_t request);

/** It could not be done; `why` is for people, in UTF-8, and may be NULL.
 * @retval OPAMP_ERR_STATE    no such request waits for this: it was answered, or
 *                            asks for another answer
 * @retval OPAMP_ERR_UTF8     `why` is not UTF-8
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_store_failed(opamp_client *c,
                                                 int64_t request,
                                                 const char *why);

#ifdef __cplusplus
}
#endif
#endif
