# SPDX-License-Identifier: Apache-2.0
"""Where the classes come from: from opentelemetry-opamp-client when that is
installed, so that its objects and these are the same; else from the schema.

Then they are in a pool of their own. In protobuf's there may be only one
opamp.proto, and it may be somebody else's.
"""

from __future__ import annotations

import functools
import importlib
import logging
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_logger = logging.getLogger(__name__)


def names_of(module: str) -> dict[str, Any]:
    """The public names of opamp_pb2 or anyvalue_pb2."""
    theirs = _theirs()
    if theirs is not None:
        public = vars(theirs[module])
    else:
        public = _names_in(_ours(), f"opamp/v1/{module}.proto")
    return {name: it for name, it in public.items() if not name.startswith("_")}


@functools.cache
def _theirs() -> dict[str, Any] | None:
    """The modules of opentelemetry-opamp-client; None when they cannot be had."""
    package = "opentelemetry._opamp.proto"
    try:
        return {
            module: importlib.import_module(f"{package}.{module}_pb2")
            for module in ("anyvalue", "opamp")
        }
    except ImportError:
        return None
    except Exception as error:  # its code and protobuf do not go together
        _logger.debug("%s cannot be used: %s", package, error)
        return None


@functools.cache
def _ours() -> Any:
    """A pool with the schema in it."""
    try:
        from google.protobuf.descriptor_pool import DescriptorPool
    except ImportError as error:
        raise ImportError(
            'this needs protobuf: pip install "libopamp[compat]"'
        ) from error
    from opamp.compat.opentelemetry.proto import _parser

    pool = DescriptorPool()
    for module in ("anyvalue", "opamp"):
        text = Path(__file__).with_name(f"{module}.proto").read_text("utf-8")
        parsed = _parser.parse(text, f"opamp/v1/{module}.proto")
        pool.AddSerializedFile(parsed.SerializeToString())
    return pool


def _names_in(pool: Any, file_name: str) -> dict[str, Any]:
    """What protoc's Python module for a file would have."""
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

    file = pool.FindFileByName(file_name)
    names: dict[str, Any] = {"DESCRIPTOR": file}
    for name, descriptor in file.message_types_by_name.items():
        names[name] = _class_of(descriptor, pool)
    for name, descriptor in file.enum_types_by_name.items():
        names[name] = EnumTypeWrapper(descriptor)
        names.update((value.name, value.number) for value in descriptor.values)
    return names


def _class_of(descriptor: Any, pool: Any) -> Any:
    from google.protobuf import message_factory

    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)
