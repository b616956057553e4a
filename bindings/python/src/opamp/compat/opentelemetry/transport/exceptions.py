# SPDX-License-Identifier: Apache-2.0
"""What a transport raises."""

from __future__ import annotations


class OpAMPException(Exception):
    """A request failed."""
