# SPDX-License-Identifier: Apache-2.0
"""Options and arguments: what they take, and what they say when they do not."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, get_type_hints

import opamp
import pytest
from authority import Authority
from opamp import TLS, Client, ConfigError, ConfigFile, Health, _options
from opamp._native import lib
from peer import PATIENCE, Peer

URL = "ws://127.0.0.1:1/v1/opamp"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://x", "url: .*scheme"),
        ("", "url"),
        ("ws://", "url"),
        ("ws://a b/", "url"),
        ("ws://x/\0", "url: holds a NUL"),
        ("ws://\ud800/", "url: cannot be encoded"),
    ],
)
def test_urls_that_cannot_be(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        Client(url)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, opamp.OpampError)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heartbeat": 0.001}, r"heartbeat: 0.001 s is out of range \(0.01 to 86400 s"),
        ({"heartbeat": float("nan")}, "heartbeat: nan"),
        ({"heartbeat": float("inf")}, "heartbeat: inf"),
        ({"backoff_max": -1}, "backoff_max: -1"),
        ({"max_receive": 1}, r"max_receive: 1 is out of range \(64"),
        ({"custom_queue": 10**30}, "custom_queue"),
        ({"instance_uid": b"short"}, "instance_uid"),
        ({"instance_uid": bytes(16)}, "instance_uid"),
        ({"instance_uid": "no uuid"}, "instance_uid"),
        ({"headers": {"A": "b\r\nC: d"}}, "headers"),
        ({"headers": {"A b": "c"}}, "headers"),
        ({"headers": {"": "c"}}, "headers"),
        ({"headers": {"A": "\udc80"}}, r"headers\['A'\]: cannot be encoded"),
        ({"proxy": "ftp://x"}, "proxy"),
        ({"proxy_headers": {"A": "b\n"}}, "proxy_headers"),
        ({"identifying": {"a": 2**63}}, r"identifying\['a'\]: .* 64 bits"),
        ({"identifying": {"a": "\ud800"}}, r"identifying\['a'\]: cannot be encoded"),
        ({"capabilities": -1}, "capabilities"),
        ({"capabilities": 2**64}, "capabilities"),
        ({"tls": TLS(min_version="0.9")}, "tls.min_version"),
        ({"tls": TLS(ciphers=["NO_SUCH"])}, "tls.ciphers"),
        ({"tls": TLS(ca_pem=b"\xff")}, "tls.ca_pem"),
        ({"on_fork": "explode"}, "on_fork"),
        ({"loop": opamp.Loop(), "thread": False}, "thread"),
    ],
)
def test_values_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Client(URL, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heartbeat": "30"}, "heartbeat must be a number of seconds, not str"),
        ({"heartbeat": True}, "heartbeat must be a number of seconds, not bool"),
        ({"max_receive": 1.5}, "max_receive must be int, not float"),
        ({"compression": 1}, "compression must be bool, not int"),
        ({"instance_uid": 7}, "instance_uid must be 16 bytes"),
        ({"headers": {"A": 1}}, r"headers\['A'\] must be str, not int"),
        ({"headers": 5}, "headers must be a mapping"),
        ({"headers": ["ab", "c"]}, "headers must be a mapping"),
        ({"proxy": 5}, "proxy must be str"),
        ({"identifying": ["a"]}, "identifying must be a mapping"),
        ({"identifying": {"a": {1, 2}}}, r"identifying\['a'\]: an attribute cannot"),
        ({"identifying": {1: "a"}}, "a key of identifying must be str"),
        ({"non_identifying": {"a": [object()]}}, r"non_identifying\['a'\]\[0\]"),
        ({"capabilities": "all"}, "capabilities must be opamp.Capability"),
        ({"tls": True}, "tls must be opamp.TLS, not bool"),
        ({"tls": TLS(ca=5)}, "tls.ca must be a path"),  # type: ignore[arg-type]
        ({"state_dir": 5}, "state_dir must be a path"),
        ({"hearbeat": 30.0}, "no option 'hearbeat'"),
        ({"handlers": {str: print}}, "not a type of events"),
        ({"handlers": {opamp.Connected: 5}}, "must be callable"),
    ],
)
def test_types_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Client(URL, **options)


def test_a_coroutine_is_no_handler_of_a_thread() -> None:
    client = Client(URL)

    async def handler(event: opamp.Event) -> None: ...

    with pytest.raises(TypeError, match=r"opamp\.aio"):
        client.on(opamp.Connected, handler)


def test_attributes_that_hold_themselves() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConfigError, match="nested too deeply"):
        Client(URL, identifying={"a": endless})


def test_every_number_option_of_the_library_is_here() -> None:
    ours = _options._SECONDS | _options._COUNTS | _options._SWITCHES | _options._DERIVED
    assert ours == set(_options._number_keys())
    for name in _options._SWITCHES:
        assert lib.opamp_option_max(_options._number_keys()[name]) == 1
    public = ours - _options._DERIVED | _options._OTHERS
    assert public == set(opamp.Options.__annotations__)
    assert opamp.limits()["heartbeat"] == (30.0, 0.01, 86400.0)
    assert opamp.limits()["max_redirects"] == (5, 0, 100)


def test_instance_uids() -> None:
    uid = uuid.uuid4()
    for given in (uid, uid.bytes, str(uid), str(uid).upper(), bytearray(uid.bytes)):
        assert Client(URL, instance_uid=given).instance_uid == uid  # type: ignore[arg-type]
    first, second = Client(URL).instance_uid, Client(URL).instance_uid
    assert first != second and first.version == 7


def test_capabilities_are_all_that_is_said() -> None:
    assert Client(URL).capabilities == opamp.Capability.DEFAULT
    client = Client(URL, capabilities=opamp.Capability.ACCEPTS_REMOTE_CONFIG)
    assert opamp.Capability.REPORTS_STATUS in client.capabilities
    client.set_capabilities(opamp.Capability.REPORTS_HEALTH)
    assert opamp.Capability.ACCEPTS_REMOTE_CONFIG not in client.capabilities
    with pytest.raises(TypeError):
        client.set_capabilities("x")  # type: ignore[arg-type]


def test_arguments_that_cannot_be() -> None:
    client = Client(URL)
    with pytest.raises(TypeError, match="health must be Health, not bool"):
        client.set_health(True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"health\.healthy must be bool"):
        client.set_health(Health(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"effective_config\['a'\] must be"):
        client.set_effective_config({"a": 5})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=r"effective_config\['a'\]: cannot"):
        client.set_effective_config({"a": "\ud800"})
    with pytest.raises(TypeError, match="custom_capabilities must be a sequence"):
        client.set_custom_capabilities("abc")
    with pytest.raises(TypeError, match="hash must be bytes"):
        client.set_remote_config_status(5, opamp.Status.APPLIED)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="status"):
        client.set_remote_config_status(b"x", opamp.Status.UNSET)
    with pytest.raises(TypeError, match=r"status must be opamp\.Status"):
        client.set_remote_config_status(b"x", "APPLIED")  # type: ignore[arg-type]
    with pytest.raises(opamp.MessageError):
        client.queue_raw(b"\xff\xff")
    with pytest.raises(ConfigError, match="interval"):
        client.set_heartbeat(0.0)
    with pytest.raises(ConfigError):
        client.forget_offer(opamp.Connected)
    with pytest.raises(opamp.StateError, match="store"):
        client.request_certificate()
    with pytest.raises(ConfigError, match="headers"):
        client.set_headers({"A": "secret\nword"})


def test_bodies_are_bytes_or_text(peer: Peer) -> None:
    capabilities = opamp.Capability.DEFAULT | opamp.Capability.REPORTS_EFFECTIVE_CONFIG
    client = Client(peer.url(), capabilities=capabilities)
    client.set_effective_config(
        {
            "text": "ü",
            "bytes": b"\xc3\xbc",
            "file": ConfigFile("ü", "text/plain"),  # type: ignore[arg-type]
            "view": memoryview(b"\xc3\xbc"),  # type: ignore[dict-item]
            "": ConfigFile(b"\xc3\xbc", role="main"),
        }
    )
    with client:
        message = peer.wait_message("effective_config")
    files = message["effective_config"]["config_map"]["config_map"]
    assert {f["body"] for f in files.values()} == {"w7w="}
    assert files["file"]["content_type"] == "text/plain" and files[""]["role"] == "main"


def test_a_body_that_is_too_large(peer: Peer) -> None:
    """What can never be sent is parked, and the rest goes on."""
    capabilities = opamp.Capability.DEFAULT | opamp.Capability.REPORTS_EFFECTIVE_CONFIG
    client = Client(peer.url(), capabilities=capabilities, thread=False)
    client.set_effective_config({"large": bytes(65 << 20)})
    client.set_health(Health(True, "small"))
    client.start()
    parked: list[opamp.Parked] = []
    while not parked:
        parked += [e for e in client.poll(PATIENCE) if isinstance(e, opamp.Parked)]
    assert parked[0].fields == {"effective_config"} == client.parked
    assert peer.wait_message("health")["health"]["status"] == "small"
    client.close()


def test_secrets_are_not_printed() -> None:
    tls = TLS(cert_pem="cert", key_pem="SECRET")
    certificate = opamp.Certificate(b"cert", b"SECRET")
    shown = [
        repr(tls),
        repr(certificate),
        repr(opamp.Header("Authorization", "SECRET")),
        repr(opamp.ProxySettings("http://u:SECRET@p/")),
        repr(ConfigFile(b"SECRET")),
    ]
    with pytest.raises(ConfigError) as raised:
        Client(URL, headers={"Authorization": "SECRET\n"})
    shown += [str(raised.value), repr(raised.value)]
    with pytest.raises(ConfigError) as raised:
        Client(URL, proxy="ftp://u:SECRET@p/")
    shown += [str(raised.value)]
    client = Client(URL, headers={"A": "SECRET"}, proxy="http://u:SECRET@p/")
    shown += [repr(client), client.last_error]
    with pytest.raises(opamp.TlsError) as wrong:
        Client("wss://127.0.0.1/", tls=TLS(cert_pem="SECRET", key_pem="SECRET"))
    shown += [str(wrong.value)]
    assert not [text for text in shown if "SECRET" in text]


def test_files_that_cannot_be_used(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(opamp.FileError, match=r"nothing\.pem") as raised:
        Client("wss://127.0.0.1/", tls=TLS(ca=tmp_path / "nothing.pem"))
    assert isinstance(raised.value, OSError)
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(opamp.TlsError):
        Client("wss://127.0.0.1/", tls=TLS(ca=tmp_path / "bad.pem"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(opamp.TlsError, match=r"no certificate in a \.pem"):
        Client("wss://127.0.0.1/", tls=TLS(ca=tmp_path / "empty"))
    with pytest.raises(opamp.TlsError):
        Client(
            "wss://127.0.0.1/",
            tls=TLS(cert=authority.file("agent.pem"), key=authority.file("ca.key")),
        )


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("form", ["file", "directory", "pem", "insecure"])
def test_tls(tls_peer: Peer, authority: Authority, scheme: str, form: str) -> None:
    file = authority.file("ca.pem")
    tls = {
        "file": TLS(ca=str(file)),
        "directory": TLS(ca=authority.folder),
        "pem": TLS(ca_pem=file.read_bytes()),
        "insecure": TLS(verify=False),
    }[form]
    with Client(tls_peer.url(scheme), tls=tls) as client:
        assert client.wait_connected(PATIENCE)


def test_a_certificate_that_nobody_trusts(tls_peer: Peer) -> None:
    client = Client(tls_peer.url(), thread=False)
    client.start()
    failed: list[opamp.ConnectFailed] = []
    while not failed:
        failed += [
            e for e in client.poll(PATIENCE) if isinstance(e, opamp.ConnectFailed)
        ]
    assert isinstance(failed[0].error, opamp.TlsError)
    client.close()


def test_annotations_can_be_read() -> None:
    """Options is for people and tools that look at it, too."""
    names = {"Capability": opamp.Capability, "TLS": TLS, "uuid": uuid}
    names["os"] = __import__("os")
    assert get_type_hints(opamp.Options, localns=names)["heartbeat"] is float
