# SPDX-License-Identifier: Apache-2.0
"""What is raised beside the errors of a transport."""

from __future__ import annotations


class OpAMPTimeoutError(Exception):
    """Something took too long."""


class OpAMPRemoteConfigParseException(Exception):
    """A file of a remote configuration has a content type that is not known."""


class OpAMPRemoteConfigDecodeException(Exception):
    """A file of a remote configuration is not what its content type says."""
