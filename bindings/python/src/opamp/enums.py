# SPDX-License-Identifier: Apache-2.0
"""The protocol's enumerations, under the names of the specification."""

from __future__ import annotations

import enum


class Capability(enum.IntFlag):
    """What the agent can do (AgentCapabilities)."""

    REPORTS_STATUS = 0x1
    ACCEPTS_REMOTE_CONFIG = 0x2
    REPORTS_EFFECTIVE_CONFIG = 0x4
    ACCEPTS_PACKAGES = 0x8
    REPORTS_PACKAGE_STATUSES = 0x10
    REPORTS_OWN_TRACES = 0x20
    REPORTS_OWN_METRICS = 0x40
    REPORTS_OWN_LOGS = 0x80
    ACCEPTS_OPAMP_CONNECTION_SETTINGS = 0x100
    ACCEPTS_OTHER_CONNECTION_SETTINGS = 0x200
    ACCEPTS_RESTART_COMMAND = 0x400
    REPORTS_HEALTH = 0x800
    REPORTS_REMOTE_CONFIG = 0x1000
    REPORTS_HEARTBEAT = 0x2000
    REPORTS_AVAILABLE_COMPONENTS = 0x4000
    REPORTS_CONNECTION_SETTINGS_STATUS = 0x8000

    #: What a client has when nothing is said.
    DEFAULT = REPORTS_STATUS | REPORTS_HEALTH | REPORTS_HEARTBEAT


class ServerCapability(enum.IntFlag):
    """What the server can do (ServerCapabilities)."""

    ACCEPTS_STATUS = 0x1
    OFFERS_REMOTE_CONFIG = 0x2
    ACCEPTS_EFFECTIVE_CONFIG = 0x4
    OFFERS_PACKAGES = 0x8
    ACCEPTS_PACKAGES_STATUS = 0x10
    OFFERS_CONNECTION_SETTINGS = 0x20
    ACCEPTS_CONNECTION_SETTINGS_REQUEST = 0x40


class Status(enum.IntEnum):
    """What became of an offer: of a remote configuration
    (RemoteConfigStatuses) or of connection settings
    (ConnectionSettingsStatuses)."""

    UNSET = 0
    APPLIED = 1
    APPLYING = 2
    FAILED = 3


class PackageState(enum.IntEnum):
    """What became of an offered package (PackageStatusEnum)."""

    INSTALLED = 0
    INSTALL_PENDING = 1
    INSTALLING = 2
    INSTALL_FAILED = 3
    DOWNLOADING = 4


class PackageType(enum.IntEnum):
    """Which kind of package it is."""

    TOP_LEVEL = 0
    ADDON = 1


class CommandType(enum.IntEnum):
    """What a command asks for."""

    RESTART = 0


class ServerErrorType(enum.IntEnum):
    """Why the server could not process a message
    (ServerErrorResponseType)."""

    UNKNOWN = 0
    BAD_REQUEST = 1
    UNAVAILABLE = 2


class State(enum.IntEnum):
    """What a client is doing."""

    STOPPED = 0  #: not started, or stopped
    CONNECTING = 1  #: an attempt is under way
    CONNECTED = 2  #: it is connected; over HTTP it was answered
    WAITING = 3  #: for the next attempt
    STOPPING = 4  #: the last message is under way
