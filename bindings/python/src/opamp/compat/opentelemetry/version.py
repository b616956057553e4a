# SPDX-License-Identifier: Apache-2.0
"""Which version of opentelemetry-opamp-client this stands for."""

from __future__ import annotations

__version__ = "0.5b0"
