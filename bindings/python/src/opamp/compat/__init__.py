# SPDX-License-Identifier: Apache-2.0
"""The interfaces of other OpAMP packages, on this one."""
