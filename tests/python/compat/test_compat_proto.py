# SPDX-License-Identifier: Apache-2.0
"""The protobuf classes: that they are the protocol's, and that they get along
with those of opentelemetry-opamp-client."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opamp._glue import static_text
from opamp._native import lib
from opamp.compat.opentelemetry.proto import _classes, _parser
from opamp.messages import AgentToServer, Health

POOL = _classes._ours()
OURS: Any = {
    **_classes._names_in(POOL, "opamp/v1/anyvalue.proto"),
    **_classes._names_in(POOL, "opamp/v1/opamp.proto"),
}
MESSAGES = sorted(n for n, it in OURS.items() if hasattr(it, "FromString"))

KINDS = {
    lib.OPAMP_KIND_U64: {FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64},
    lib.OPAMP_KIND_I64: {FieldDescriptor.TYPE_INT64},
    lib.OPAMP_KIND_F64: {FieldDescriptor.TYPE_DOUBLE},
    lib.OPAMP_KIND_BOOL: {FieldDescriptor.TYPE_BOOL},
    lib.OPAMP_KIND_STR: {FieldDescriptor.TYPE_STRING},
    lib.OPAMP_KIND_BYTES: {FieldDescriptor.TYPE_BYTES},
    lib.OPAMP_KIND_ENUM: {FieldDescriptor.TYPE_ENUM},
    lib.OPAMP_KIND_MSG: {FieldDescriptor.TYPE_MESSAGE},
}


def upstream() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry._opamp") is not None
    except ImportError:
        return False


needs_upstream = pytest.mark.skipif(
    not upstream(), reason="opentelemetry-opamp-client is not installed"
)


def kind_of(field: Any) -> int:
    """What the value of a field is; of a map, what its values are."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        field = kind.fields_by_name["value"]
    return int(field.type)


@pytest.mark.parametrize("name", MESSAGES)
def test_they_are_what_the_library_has(name: str) -> None:
    number = lib.opamp_msg_type_by_name(name.encode())
    fields = OURS[name].DESCRIPTOR.fields_by_number
    count = lib.opamp_msg_field_count(number)
    assert set(fields) == {lib.opamp_msg_field_at(number, i) for i in range(count)}
    for n, field in fields.items():
        assert static_text(lib.opamp_msg_field_name(number, n)) == field.name
        assert kind_of(field) in KINDS[lib.opamp_msg_field_kind(number, n)]
        flags = lib.opamp_msg_field_flags(number, n)
        in_oneof = field.containing_oneof is not None
        assert bool(flags & lib.OPAMP_FIELD_ONEOF) == in_oneof


def test_bytes_are_the_same() -> None:
    health = Health(
        healthy=True,
        status="ok",
        start_time=2**63,
        components={"a": Health(last_error="x", attributes={"k": (1, -2, 0.5, b"")})},
    )
    packed = AgentToServer(instance_uid=b"u" * 16, health=health).to_bytes()
    message = OURS["AgentToServer"].FromString(packed)
    assert message.health.start_time_unix_nano == 2**63
    values = message.health.component_health_map["a"].attributes[0].value
    assert [v.WhichOneof("value") for v in values.array_value.values] == [
        *("int_value", "int_value", "double_value", "bytes_value")
    ]
    assert AgentToServer.from_bytes(message.SerializeToString()).health == health


@pytest.mark.parametrize(
    "text",
    [
        "service X {}",
        "message X { string a 1; }",
        "message X { string a = 1 }",
        "enum X { A = 0 }",
        "message X { map<string> a = 1; }",
    ],
)
def test_what_the_parser_does_not_know(text: str) -> None:
    with pytest.raises(ValueError, match=r"^x\.proto: "):
        _parser.parse(text, "x.proto")


def test_the_schema_is_that_of_the_repository() -> None:
    root = Path(__file__).resolve().parents[3]
    for name in ("anyvalue.proto", "opamp.proto"):
        installed = Path(_classes.__file__).with_name(name)
        assert installed.read_text() == (root / "proto/opamp/v1" / name).read_text()


# --- the other package


@needs_upstream
def test_fields_are_those_of_the_other_package() -> None:
    theirs = _classes._theirs()
    assert theirs is not None
    checked = 0
    for module in theirs.values():
        for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
            if name not in OURS:
                continue
            ours = OURS[name].DESCRIPTOR.fields_by_number
            for number, field in descriptor.fields_by_number.items():
                checked += 1
                assert ours[number].type == field.type, (name, field.name)
                assert kind_of(ours[number]) == kind_of(field)
    assert checked > 50


BOTH = {
    "ours first": ("opamp.compat.opentelemetry", "opentelemetry._opamp"),
    "theirs first": ("opentelemetry._opamp", "opamp.compat.opentelemetry"),
}


@needs_upstream
@pytest.mark.parametrize("order", BOTH)
def test_both_in_one_process(order: str) -> None:
    first, second = BOTH[order]
    program = f"""
from {first}.proto import opamp_pb2 as a, anyvalue_pb2
from {first}.client import OpAMPClient as A
from {second}.proto import opamp_pb2 as b
from {second}.client import OpAMPClient as B
assert a.AgentToServer is b.AgentToServer
for client in (A, B):
    made = client(endpoint="url", agent_identifying_attributes={{"x": "y"}})
    message = a.AgentToServer.FromString(made.build_full_state_message())
    status = made.update_remote_config_status(b"h", a.RemoteConfigStatuses_APPLIED)
    for other in (A, B):
        it = other(endpoint="url", agent_identifying_attributes={{}})
        it.build_remote_config_status_response_message(status)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


THEIRS = "from opentelemetry._opamp.proto import opamp_pb2 as theirs\n"
OURS_ALONE = """
import sys
hidden = {n: m for n, m in sys.modules.items() if n.startswith("opentelemetry._")}
for name in hidden:
    del sys.modules[name]
sys.modules["opentelemetry._opamp"] = None
from opamp.compat.opentelemetry.proto import opamp_pb2 as ours
del sys.modules["opentelemetry._opamp"]
sys.modules.update(hidden)
"""


@needs_upstream
@pytest.mark.parametrize("program", [OURS_ALONE + THEIRS, THEIRS + OURS_ALONE])
def test_our_own_pool_beside_the_other_package(program: str) -> None:
    """As when both are in one process, and ours does not find the other."""
    program += """
assert ours.AgentToServer is not theirs.AgentToServer
message = ours.AgentToServer(instance_uid=b"u", capabilities=7)
message.effective_config.config_map.config_map["a"].body = b"b"
same = theirs.AgentToServer.FromString(message.SerializeToString())
assert same.effective_config.config_map.config_map["a"].body == b"b"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@needs_upstream
def test_a_package_that_cannot_be_loaded(tmp_path: Path) -> None:
    """Its generated code may be too new for the protobuf that is there."""
    package = tmp_path / "opentelemetry" / "_opamp" / "proto"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "anyvalue_pb2.py").write_text("raise TypeError('too new')\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from opamp.compat.opentelemetry.proto import opamp_pb2
assert opamp_pb2.DESCRIPTOR.name == "opamp/v1/opamp.proto"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
