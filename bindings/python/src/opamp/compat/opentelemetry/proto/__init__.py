# SPDX-License-Identifier: Apache-2.0
"""The protocol's messages as protobuf classes. Only this needs protobuf: the
extra `libopamp[compat]`."""
