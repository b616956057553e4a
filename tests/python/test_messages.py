# SPDX-License-Identifier: Apache-2.0
"""Messages as dataclasses: nothing is lost on the way to bytes and back."""

from __future__ import annotations

import copy
import dataclasses
import enum
import pickle
from typing import Any

import opamp
import pytest
from opamp import _codec, enums, errors, events, messages
from opamp._glue import static_text
from opamp._native import lib

CLASSES = sorted(_codec._classes.items())


def sample(kind: int, field: _codec.Field, depth: int) -> Any:
    """A value of a field that is not its default."""

    def one(n: int) -> Any:
        if not field.is_message:
            value = {
                lib.OPAMP_KIND_U64: 2**64 - 1 - n,
                lib.OPAMP_KIND_I64: -(2**63) + n,
                lib.OPAMP_KIND_F64: 0.5 + n,
                lib.OPAMP_KIND_BOOL: True,
                lib.OPAMP_KIND_STR: f"ü{n}",
                lib.OPAMP_KIND_BYTES: bytes([0, n, 255]),
                lib.OPAMP_KIND_ENUM: 1,
            }[lib.opamp_msg_field_kind(kind, field.number)]
            return field.values(1) if field.values is not None else value
        if field.sub == lib.OPAMP_MSG_ANY_VALUE:
            return (1, True, None, 0.5, b"\0", "x", {"k": (1, "y")})[n]
        return made(field.sub, depth + 1)

    if field.is_attributes:
        return {"a": "ü", "b": (True, 1, -1, 0.5, b"\0", None), "c": {"d": ()}}
    if field.is_map:
        return {"": one(0), "ü": one(1)} if depth < 3 else {}
    if field.is_list:
        return (one(0), one(1))
    return one(0)


def made(kind: int, depth: int = 0) -> Any:
    """A message, or what stands for it, with every field set."""
    plan = _codec._plan(kind)
    if plan.cls is not None:
        return plan.cls(*[sample(kind, f, depth) for f in plan.fields])
    if plan.single is None:
        return True
    return sample(kind, plan.single, depth)


@pytest.mark.parametrize(("kind", "cls"), CLASSES, ids=[c.__name__ for _, c in CLASSES])
def test_there_and_back(kind: int, cls: type[Any]) -> None:
    message = made(kind)
    assert cls.from_bytes(message.to_bytes()) == message
    assert cls.from_bytes(b"") == cls()
    assert cls().to_bytes() == b""
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.deepcopy(message) == message
    assert dataclasses.replace(message) == message
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(message, dataclasses.fields(cls)[0].name, None)
    assert not hasattr(message, "__dict__") and cls.__doc__
    with pytest.raises(opamp.MessageError, match=cls.__name__):
        cls.from_bytes(b"\xff")
    with pytest.raises(TypeError, match="bytes"):
        cls.from_bytes(5)


def test_every_message_has_all_its_fields() -> None:
    for kind, cls in CLASSES:
        count = lib.opamp_msg_field_count(kind)
        numbers = {lib.opamp_msg_field_at(kind, i) for i in range(count)}
        assert {f.number for f in _codec._plan(kind).fields} == numbers, cls
    # All others only wrap a value, or are attributes.
    others = set(range(1, 100)) - {kind for kind, _ in CLASSES}
    plain = {lib.OPAMP_MSG_ANY_VALUE, lib.OPAMP_MSG_KEY_VALUE}
    for kind in others - plain:
        assert lib.opamp_msg_field_count(kind) <= 1, static_text(
            lib.opamp_msg_type_name(kind)
        )


def test_a_newer_servers_values() -> None:
    """Numbers that this version does not know are kept as numbers."""
    package = opamp.Package.from_bytes(opamp.Package(type=77).to_bytes())
    assert package.type == 77 and not isinstance(package.type, enum.Enum)
    answer = opamp.ServerToAgent(capabilities=1 << 40)
    assert opamp.ServerToAgent.from_bytes(answer.to_bytes()).capabilities == 1 << 40


@pytest.mark.parametrize(
    "value",
    ["", "ü\0", True, False, 0, -1, 2**63 - 1, -(2**63), 0.0, -0.5, float("inf"),
     b"", b"\0", None, (), (1, (2,)), {}, {"": {"a": ()}}],
)  # fmt: skip
def test_attribute_values(value: Any) -> None:
    health = opamp.Health(attributes={"k": value})
    if isinstance(value, str) and "\0" in value:
        with pytest.raises(opamp.MessageError, match=r"attributes\['k'\]"):
            health.to_bytes()
        return
    back = opamp.Health.from_bytes(health.to_bytes()).attributes["k"]
    assert back == value and type(back) is type(value)


def test_enumerations_are_those_of_the_library() -> None:
    prefixes = {
        enums.Capability: "OPAMP_AGENT_CAPABILITIES_",
        enums.ServerCapability: "OPAMP_SERVER_CAPABILITIES_",
        enums.Status: "OPAMP_REMOTE_CONFIG_STATUSES_",
        enums.PackageState: "OPAMP_PACKAGE_STATUS_ENUM_",
        enums.PackageType: "OPAMP_PACKAGE_TYPE_",
        enums.CommandType: "OPAMP_COMMAND_TYPE_",
        enums.ServerErrorType: "OPAMP_SERVER_ERROR_RESPONSE_TYPE_",
        enums.State: "OPAMP_STATE_",
        errors.ErrorCode: "OPAMP_ERR_",
    }
    names = dir(lib)
    for kind, prefix in prefixes.items():
        theirs = {
            n[len(prefix) :]: getattr(lib, n) for n in names if n.startswith(prefix)
        }
        theirs.pop("UNSPECIFIED", None)
        ours = {m.name: m.value for m in kind if m.name != "DEFAULT"}
        assert ours == theirs, kind
    same = {n: getattr(lib, n) for n in names if "CONNECTION_SETTINGS_STATUSES_" in n}
    assert sorted(same.values()) == sorted(enums.Status)
    assert enums.Capability.DEFAULT.value == 0x2801


def test_every_event_of_the_library_has_a_class() -> None:
    from opamp import _build

    kinds = {getattr(lib, n) for n in dir(lib) if n.startswith("OPAMP_EVENT_")}
    assert set(_build._CLASSES) == kinds
    for cls, _ in _build._CLASSES.values():
        assert cls.__doc__ and dataclasses.is_dataclass(cls)


def test_all_public_names_are_there() -> None:
    for name in opamp.__all__:
        assert getattr(opamp, name) is not None
    assert set(opamp.__all__) <= set(dir(opamp))
    public = {
        name
        for module in (events, messages, enums, errors)
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert public <= set(opamp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = opamp.nothing  # type: ignore[attr-defined]
    assert opamp.__version__ == opamp.version()
    assert {"http", "websocket"} <= opamp.features()


def test_errors_can_be_pickled() -> None:
    error = errors.error_of(-101, "no trust")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is opamp.TlsError and str(back) == "no trust"
    assert back.code is opamp.ErrorCode.TLS
    assert errors.error_of(-999, "").code == -999
    assert str(errors.error_of(-4, "")) == "OPAMP_ERR_TYPE"
    assert type(errors.error_of(-150, "x")) is opamp.ConnectError
    assert type(errors.error_of(-250, "x")) is opamp.MessageError
