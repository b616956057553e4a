# SPDX-License-Identifier: Apache-2.0
"""AnyValue and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.compat.opentelemetry.proto import _classes

if TYPE_CHECKING:
    from typing import Any

    def __getattr__(name: str) -> Any: ...


globals().update(_classes.names_of("anyvalue"))
