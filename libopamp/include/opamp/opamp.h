/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_OPAMP_H
#define OPAMP_OPAMP_H

/** @file
 * All of libopamp's public API. Begin with client.h. */

#include "opamp/client.h"
#include "opamp/configdir.h"
#include "opamp/event.h"
#include "opamp/fields.h"
#include "opamp/loop.h"
#include "opamp/message.h"
#include "opamp/options.h"
#include "opamp/status.h"
#include "opamp/store.h"
#include "opamp/transport.h"
#include "opamp/typed.h"
#include "opamp/types.h"
#include "opamp/uid.h"

#endif
