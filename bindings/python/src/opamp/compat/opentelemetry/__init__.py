# SPDX-License-Identifier: Apache-2.0
"""The interface of PyPI's opentelemetry-opamp-client 0.5b0, on this package.

A distribution moves by writing `opamp.compat.opentelemetry` where it imports
`opentelemetry._opamp`; loggers keep their names. What it gets besides:

* ws and wss endpoints, proxies, redirects and `Retry-After`;
* agents that survive a fork, each process one of its own;
* attributes that are sequences and mappings;
* nothing that the server missed: what is set is sent again until it was
  delivered, with sequence numbers without a gap.

And what is different: a message that would tell the server nothing new is not
sent, and several payloads may travel in one message. An offered configuration
whose status is never reported is reported as FAILED after a minute.

The package protobuf (extra `compat`) is needed for messages as objects, the
package requests for `transport.requests`.
"""

from opamp.compat.opentelemetry.agent import OpAMPAgent
from opamp.compat.opentelemetry.callbacks import MessageData, OpAMPCallbacks
from opamp.compat.opentelemetry.client import OpAMPClient

__all__ = ["MessageData", "OpAMPAgent", "OpAMPCallbacks", "OpAMPClient"]
