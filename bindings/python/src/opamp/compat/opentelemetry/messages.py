# SPDX-License-Identifier: Apache-2.0
"""Functions on messages, which are those of proto.opamp_pb2."""

from __future__ import annotations

import json
import logging

from opamp.compat.opentelemetry.exceptions import (
    OpAMPRemoteConfigDecodeException,
    OpAMPRemoteConfigParseException,
)
from opamp.messages import ConfigFile, Description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from opamp.types import Attributes

_logger = logging.getLogger("opentelemetry._opamp.messages")


def _pb() -> Any:
    """The module of the classes, which needs protobuf: it is loaded when a
    message is wanted as an object."""
    from opamp.compat.opentelemetry.proto import opamp_pb2

    return opamp_pb2


# --- what the client of this package is made of, without protobuf


def describe(
    identifying: Attributes, non_identifying: Attributes | None
) -> Description:
    """Both kinds of attributes; raises ValueError when one cannot be."""
    description = Description(identifying, non_identifying or {})
    try:
        description.to_bytes()
    except TypeError as error:
        raise ValueError(str(error)) from None
    return description


def config_files(config: Mapping[str, Any], content_type: str) -> dict[str, ConfigFile]:
    """The files of a configuration but for those that cannot be encoded."""
    files = {}
    for name, value in config.items():
        body = encode_effective_config_body(content_type, value)
        if body is None:
            _logger.warning(
                "Skipping effective config entry %s: it cannot be encoded as %s",
                name,
                content_type,
            )
        else:
            files[name] = ConfigFile(body, content_type)
    return files


def effective_config(files: Mapping[str, ConfigFile]) -> Any:
    """An EffectiveConfig of these files."""
    pb = _pb()
    config_map = pb.AgentConfigMap()
    for name, file in files.items():
        entry = config_map.config_map[name]
        entry.body = file.body
        entry.content_type = file.content_type
    return pb.EffectiveConfig(config_map=config_map)


# --- the functions of opentelemetry-opamp-client


def decode_message(data: bytes) -> Any:
    """The ServerToAgent that was packed as `data`."""
    return _pb().ServerToAgent.FromString(data)


def encode_message(data: Any) -> bytes:
    """A message packed."""
    packed: bytes = data.SerializeToString()
    return packed


def build_agent_description(
    identifying_attributes: Attributes,
    non_identifying_attributes: Attributes | None = None,
) -> Any:
    """An AgentDescription. Sequences and mappings can be attributes, too."""
    description = describe(identifying_attributes, non_identifying_attributes)
    return _pb().AgentDescription.FromString(description.to_bytes())


def build_heartbeat_message(
    instance_uid: bytes, sequence_num: int, capabilities: int
) -> Any:
    """An AgentToServer that says no more than that the agent lives."""
    return _pb().AgentToServer(
        instance_uid=instance_uid,
        sequence_num=sequence_num,
        capabilities=capabilities,
    )


def build_agent_disconnect_message(
    instance_uid: bytes, sequence_num: int, capabilities: int
) -> Any:
    """The last AgentToServer of an agent."""
    pb = _pb()
    return pb.AgentToServer(
        instance_uid=instance_uid,
        sequence_num=sequence_num,
        capabilities=capabilities,
        agent_disconnect=pb.AgentDisconnect(),
    )


def build_remote_config_status_message(
    last_remote_config_hash: bytes, status: int, error_message: str = ""
) -> Any:
    """A RemoteConfigStatus."""
    return _pb().RemoteConfigStatus(
        last_remote_config_hash=last_remote_config_hash,
        status=status,
        error_message=error_message,
    )


def build_remote_config_status_response_message(
    instance_uid: bytes,
    sequence_num: int,
    capabilities: int,
    remote_config_status: Any,
) -> Any:
    """An AgentToServer with a RemoteConfigStatus."""
    return _pb().AgentToServer(
        instance_uid=instance_uid,
        sequence_num=sequence_num,
        capabilities=capabilities,
        remote_config_status=remote_config_status,
    )


def build_effective_config_message(config: Mapping[str, Any], content_type: str) -> Any:
    """An EffectiveConfig; what cannot be encoded is left out, with a warning."""
    return effective_config(config_files(config, content_type))


def encode_effective_config_body(content_type: str, value: Any) -> bytes | None:
    """A value as JSON if that is the content type, else the str or bytes that
    it is; None when it cannot be encoded."""
    if content_type == "application/json":
        try:
            return json.dumps(value).encode()
        except (TypeError, ValueError):
            _logger.warning(
                "Failed to encode effective config body as JSON", exc_info=True
            )
            return None
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def build_full_state_message(
    instance_uid: bytes,
    sequence_num: int,
    agent_description: Any,
    capabilities: int,
    remote_config_status: Any | None,
    effective_config: Any | None,
) -> Any:
    """An AgentToServer with all there is to say."""
    return _pb().AgentToServer(
        instance_uid=instance_uid,
        sequence_num=sequence_num,
        agent_description=agent_description,
        capabilities=capabilities,
        remote_config_status=remote_config_status,
        effective_config=effective_config,
    )


def decode_remote_config(remote_config: Any) -> Iterator[tuple[str, Any]]:
    """Names and contents of the files of an AgentRemoteConfig, which must all be
    JSON."""
    for name, file in remote_config.config.config_map.items():
        kind = file.content_type
        if kind not in ("application/json", "text/json"):
            raise OpAMPRemoteConfigParseException(
                f"{name}: content type {kind!r} is not JSON"
            )
        try:
            content = json.loads(file.body.decode())
        except ValueError as error:  # of UTF-8 and of JSON
            raise OpAMPRemoteConfigDecodeException(
                f"{name}: this is not {kind}: {error}"
            ) from error
        yield name, content
