# SPDX-License-Identifier: Apache-2.0
"""Transports written in Python, for `OpAMPClient(transport=...)`."""
