# SPDX-License-Identifier: Apache-2.0
"""Stores and transports of the application's own, and connection settings."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import opamp
import pytest
from authority import Authority
from opamp import TLS, Capability, Client, Status
from peer import PATIENCE, Peer

CONFIG = (
    Capability.DEFAULT
    | Capability.ACCEPTS_REMOTE_CONFIG
    | Capability.REPORTS_REMOTE_CONFIG
)
SETTINGS = (
    Capability.DEFAULT
    | Capability.ACCEPTS_OPAMP_CONNECTION_SETTINGS
    | Capability.ACCEPTS_OTHER_CONNECTION_SETTINGS
    | Capability.REPORTS_CONNECTION_SETTINGS_STATUS
    | Capability.REPORTS_OWN_METRICS
)


class Store:
    """Keeps what should survive a restart in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.secret: set[str] = set()

    def serve(self, client: Client) -> None:
        @client.on(opamp.StoreLoad)
        def load(event: opamp.StoreLoad) -> None:
            event.loaded(self.kept.get(event.key))

        @client.on(opamp.StoreSave)
        def save(event: opamp.StoreSave) -> None:
            self.kept[event.key] = event.value
            if event.secret:
                self.secret.add(event.key)
            assert repr(event.value) not in repr(event)
            event.saved()

        @client.on(opamp.StoreErase)
        def erase(event: opamp.StoreErase) -> None:
            self.kept.pop(event.key, None)
            event.saved()


def test_a_store_survives_a_restart(peer: Peer) -> None:
    store = Store()
    client = Client(peer.url(), store=True, capabilities=CONFIG)
    store.serve(client)
    client.on(opamp.RemoteConfig, lambda offer: Status.APPLIED)
    with client:
        assert client.wait_connected(PATIENCE)
        peer.offer(a="b")
        peer.wait_message("remote_config_status")
        uid, hash_ = client.instance_uid, client.remote_config_hash
    assert {"instance_uid", "remote_config"} <= set(store.kept)

    restored: list[opamp.RemoteConfig] = []
    again = Client(peer.url(), store=True, capabilities=CONFIG)
    store.serve(again)

    @again.on(opamp.RemoteConfig)
    def take(offer: opamp.RemoteConfig) -> Status:
        restored.append(offer)
        return Status.APPLIED

    with again:
        assert again.wait_connected(PATIENCE)
        assert again.instance_uid == uid
        assert again.remote_config_hash == hash_
    assert restored[0].restored and restored[0].files["a"].body == b"b"


def test_a_store_that_fails(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(peer.url(), store=True)
    client.on(opamp.StoreLoad, lambda event: event.failed("the disk is gone"))
    client.on(opamp.StoreSave, lambda event: event.failed("still gone"))
    with client:
        assert client.wait_connected(PATIENCE)
    assert "the disk is gone" in caplog.text


def test_a_state_directory(peer: Peer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Client(peer.url(), state_dir=state) as client:
        assert client.wait_connected(PATIENCE)
        uid = client.instance_uid
        with pytest.raises(opamp.StateError):
            Client(peer.url(), state_dir=state)
    client.close()
    with Client(peer.url(), state_dir=str(state)) as again:
        assert again.wait_connected(PATIENCE)
        assert again.instance_uid == uid


def test_a_transport_of_ones_own_over_http(peer: Peer) -> None:
    """The application's HTTP stack carries the messages."""
    posts: list[str] = []
    client = Client(
        peer.url("http"), own_transport=True, poll_interval=0.05, capabilities=CONFIG
    )

    def post(event: opamp.TransportSend) -> None:
        request = urllib.request.Request(
            event.url,
            event.message,
            {"Content-Type": "application/x-protobuf"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                event.received(answer.read())
        except OSError as error:
            event.closed(opamp.ErrorCode.TRANSPORT, text=str(error))
        posts.append(event.url)

    @client.on(opamp.TransportSend)
    def send(event: opamp.TransportSend) -> None:
        # From another thread: the handler must not wait.
        threading.Thread(target=post, args=(event,)).start()

    client.on(opamp.RemoteConfig, lambda offer: Status.APPLIED)
    with client:
        assert client.wait_connected(PATIENCE)
        peer.offer(a="b")
        said = peer.wait_message("remote_config_status")["remote_config_status"]
        assert said["status"] == "APPLIED"
    peer.wait_message("agent_disconnect")
    assert posts and set(posts) == {peer.url("http")}


def test_a_transport_of_ones_own_over_ws(peer: Peer) -> None:
    """Connections: the bytes are those of WebSocket messages."""
    client = Client("ws://bus/topic", own_transport=True, thread=False)
    client.start()

    def next_of(kind: type[opamp.Event]) -> opamp.Event:
        while True:
            for event in client.poll(PATIENCE):
                if isinstance(event, kind):
                    return event

    opening = next_of(opamp.TransportOpen)
    assert isinstance(opening, opamp.TransportOpen)
    assert opening.url == "ws://bus/topic"
    opening.opened()
    sending = next_of(opamp.TransportSend)
    assert isinstance(sending, opamp.TransportSend)
    assert repr(sending.message) not in repr(sending)
    message = opamp.AgentToServer.from_bytes(sending.message[1:])
    assert message.instance_uid == client.instance_uid.bytes
    sending.written()
    answer = opamp.ServerToAgent(instance_uid=message.instance_uid, capabilities=1)
    sending.received(b"\0" + answer.to_bytes())
    sending.alive()
    next_of(opamp.Delivered)
    sending.closed(opamp.ErrorCode.CLOSED, 1001, text="the bus stops")
    lost = next_of(opamp.Disconnected)
    assert isinstance(lost, opamp.Disconnected)
    assert lost.close_code == 1001 and "the bus stops" in lost.text
    sending.written()  # too late, and without effect
    with pytest.raises(opamp.ConfigError):
        sending.closed(opamp.ErrorCode.TRANSPORT, code=5)
    with pytest.raises(TypeError):
        sending.received(5)  # type: ignore[arg-type]
    client.close()


def test_offered_settings_reach_the_application(peer: Peer) -> None:
    client = Client(peer.url(), capabilities=SETTINGS)
    offers: list[opamp.ConnectionSettings] = []

    @client.on(opamp.ConnectionSettings)
    def take(offer: opamp.ConnectionSettings) -> Status:
        offers.append(offer)
        return Status.APPLIED

    with client:
        assert client.wait_connected(PATIENCE)
        peer.command(
            "offer_settings",
            own_metrics={
                "destination_endpoint": "https://metrics/",
                "headers": {"Authorization": "SECRET"},
                "tls": {"min_version": "1.3", "cipher_suites": ["A", "B"]},
            },
            other_connections={
                "db": {"other_settings": {"user": "x"}, "destination_endpoint": "db:1"}
            },
        )
        said = peer.wait_message("connection_settings_status")
        assert said["connection_settings_status"]["status"] == "APPLIED"
    (offer,) = offers
    assert offer.own_metrics is not None and offer.own_logs is None
    assert offer.own_metrics.headers == (opamp.Header("Authorization", "SECRET"),)
    assert offer.own_metrics.tls is not None
    assert offer.own_metrics.tls.cipher_suites == ("A", "B")
    assert offer.other_connections["db"].other_settings == {"user": "x"}
    assert "SECRET" not in repr(offer)


def test_a_move_to_another_server(peer: Peer) -> None:
    with Peer() as other, Client(peer.url(), capabilities=SETTINGS) as client:
        assert client.wait_connected(PATIENCE)
        peer.command("offer_settings", opamp={"destination_endpoint": other.url()})
        other.wait_message()
        peer.wait_message("agent_disconnect")
        assert client.endpoint == other.url()


def test_a_certificate_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    ca = f"{authority.file('ca.pem')},{authority.file('ca.key')}"
    arguments = (
        *("--tls-cert", str(authority.file("server.pem"))),
        *("--tls-key", str(authority.file("server.key"))),
        *("--client-ca", str(authority.file("ca.pem")), "--client-ca-optional"),
        *("--issue-certificates", ca),
    )
    with (
        Peer(*arguments) as server,
        Client(
            server.url(),
            tls=TLS(ca=authority.file("ca.pem")),
            state_dir=tmp_path / "state",
            request_certificate=True,
            capabilities=SETTINGS,
        ) as client,
    ):
        shown = server.wait(
            lambda e: e["event"] == "connected" and "client_certificate" in e["tls"]
        )
        assert str(client.instance_uid) in shown["tls"]["client_certificate"]["subject"]
        assert client.wait_connected(PATIENCE)


def test_packages_and_components(peer: Peer) -> None:
    capabilities = (
        Capability.DEFAULT
        | Capability.ACCEPTS_PACKAGES
        | Capability.REPORTS_PACKAGE_STATUSES
        | Capability.REPORTS_AVAILABLE_COMPONENTS
    )
    client = Client(peer.url(), capabilities=capabilities)
    client.set_available_components(
        opamp.AvailableComponents(
            {"receiver": opamp.Component({"v": "1"}, {"otlp": opamp.Component()})},
            hash=b"h",
        )
    )
    offers: list[opamp.PackagesAvailable] = []

    @client.on(opamp.PackagesAvailable)
    def take(offer: opamp.PackagesAvailable) -> None:
        offers.append(offer)
        installed = {
            name: opamp.PackageStatus(
                name, agent_has_version=p.version, agent_has_hash=p.hash
            )
            for name, p in offer.packages.items()
        }
        client.set_package_statuses(
            opamp.PackageStatuses(installed, offer.all_packages_hash)
        )

    with client:
        first = peer.wait_message("available_components")["available_components"]
        assert first["hash"]
        package = {"version": "1.2", "hash": "01", "file": {"download_url": "u"}}
        peer.command(
            "send",
            message={
                "packages_available": {
                    "packages": {"p": package}, "all_packages_hash": "02"
                }
            },
        )  # fmt: skip
        said = peer.wait_message("package_statuses")["package_statuses"]
        assert said["packages"]["p"]["agent_has_version"] == "1.2"
        peer.command("send", message={"flags": 2})  # ReportAvailableComponents
        peer.wait(
            lambda e: e["event"] == "message"
            and "components" in e["message"].get("available_components", {})
        )
    assert offers[0].packages["p"].file == opamp.DownloadableFile("u")
    assert offers[0].packages["p"].hash == b"\1"


def test_a_directory_of_files(tmp_path: Path) -> None:
    with opamp.ConfigDir(tmp_path / "conf") as files:
        assert files.path == str(tmp_path / "conf") and files.is_good
        files.replace({"a.yaml": "x: 1", "sub/b": opamp.ConfigFile(b"\0")})
        assert not files.is_good
        files.commit()
        assert files.is_good
        with pytest.raises(opamp.ConfigError, match=r"\.\."):
            files.replace({"../c": b""})
        files.allow("*.yaml")
        with pytest.raises(opamp.ConfigError):
            files.replace({"c.txt": b""})
        files.set_file_mode(0o640)
        files.replace({"c.yaml": b"new"})
        assert set(files.read()) == {"c.yaml"}
        files.rollback()
        assert files.read()["sub/b"].body == b"\0"
        with pytest.raises(opamp.StateError):
            opamp.ConfigDir(tmp_path / "conf")
    files.close()
    with pytest.raises(opamp.ClosedError):
        files.read()
    with pytest.raises(opamp.FileError):
        opamp.ConfigDir(tmp_path / "no" / "parent")
