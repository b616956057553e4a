# SPDX-License-Identifier: Apache-2.0
"""An agent as a program, on the package opamp: as much of opamp-agent's options,
commands and events as the tests against opamp-go's server need."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import threading
from typing import Any

import opamp
from opamp import Capability, Status

NAMES = {
    "ReportsAvailableComponents": Capability.REPORTS_AVAILABLE_COMPONENTS,
    "ReportsEffectiveConfig": Capability.REPORTS_EFFECTIVE_CONFIG,
    "ReportsStatus": Capability.REPORTS_STATUS,
    "AcceptsRestartCommand": Capability.ACCEPTS_RESTART_COMMAND,
}

_printing = threading.Lock()


def say(event: str, **members: object) -> None:
    with _printing:
        print(json.dumps({"event": event, **members}), flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for switch in ("--json", "--control"):
        parser.add_argument(switch, action="store_true")
    for number in ("--poll-interval", "--backoff-min", "--heartbeat"):
        parser.add_argument(number, type=float)
    for text in ("--service-name", "--ca", "--config-dir", "--apply", "--on-restart"):
        parser.add_argument(text)
    for pair in ("--identify", "--describe", "--capabilities"):
        parser.add_argument(pair, action="append", default=[])
    parser.add_argument("url")
    return parser.parse_args()


class Agent:
    """The client, and what its server and its input have it do."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        capabilities = Capability.DEFAULT
        for name in given.capabilities:
            capabilities |= NAMES[name.removeprefix("+")]
        self.files: opamp.ConfigDir | None = None
        if given.config_dir:
            self.files = opamp.ConfigDir(given.config_dir)
            capabilities |= Capability.ACCEPTS_REMOTE_CONFIG
            capabilities |= Capability.REPORTS_REMOTE_CONFIG
            capabilities |= Capability.REPORTS_EFFECTIVE_CONFIG
        if given.on_restart:
            capabilities |= Capability.ACCEPTS_RESTART_COMMAND
        delays = {
            name: getattr(given, name) / 1000
            for name in ("poll_interval", "backoff_min", "heartbeat")
            if getattr(given, name) is not None
        }
        identifying = dict(pair.split("=", 1) for pair in given.identify)
        self.client = opamp.Client(
            given.url,
            identifying={"service.name": given.service_name, **identifying},
            non_identifying=dict(pair.split("=", 1) for pair in given.describe),
            capabilities=capabilities,
            tls=opamp.TLS(ca=given.ca) if given.ca else None,
            handlers={
                opamp.Disconnected: lambda e: say("disconnected"),
                opamp.BadMessage: lambda e: say("bad_message", message=e.text),
                opamp.Stopped: self.stopped,
                opamp.IdentityChanged: self.identity,
                opamp.CustomMessage: self.custom,
                opamp.Command: lambda e: say("command", type="Restart"),
                opamp.RemoteConfig: self.apply,
                opamp.ConnectFailed: self.failed,
            },
            **delays,
        )
        self.over = threading.Event()

    # --- events

    def stopped(self, event: opamp.Stopped) -> None:
        say("stopped", disconnect_sent=event.disconnect_sent)
        self.over.set()

    def failed(self, event: opamp.ConnectFailed) -> None:
        code = f"OPAMP_ERR_{opamp.ErrorCode(event.error.code).name}"
        say("connect_failed", error=code, message=event.text)

    def identity(self, event: opamp.IdentityChanged) -> None:
        uids = {"instance_uid": event.instance_uid, "previous": event.previous}
        say("identity", **{name: str(uid) for name, uid in uids.items()})

    def custom(self, event: opamp.CustomMessage) -> None:
        data = base64.b64encode(event.data).decode()
        say("custom_message", type=event.type, data=data)

    def apply(self, offer: opamp.RemoteConfig) -> Status:
        shown = {n: {"content_type": f.content_type} for n, f in offer.files.items()}
        say("remote_config", hash=offer.hash.hex(), files=shown)
        assert self.files is not None
        self.files.replace(offer.files)
        if self.given.apply:
            done = subprocess.run(
                self.given.apply,
                shell=True,
                env={"OPAMP_CONFIG_DIR": self.files.path, "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                self.files.rollback()
                raise RuntimeError(done.stdout)
        self.files.commit()
        self.client.set_effective_config(self.files.read())
        return Status.APPLIED

    # --- commands

    def do(self, command: dict[str, Any]) -> None:
        getattr(self, f"do_{command['command']}")(command)

    def do_set_health(self, command: dict[str, Any]) -> None:
        self.client.set_health(health(command["health"]))

    def do_set_description(self, command: dict[str, Any]) -> None:
        self.client.set_description(
            command.get("identifying"), command.get("non_identifying")
        )

    def do_set_capabilities(self, command: dict[str, Any]) -> None:
        bits = Capability(0)
        for name in command["capabilities"]:
            bits |= NAMES[name]
        self.client.set_capabilities(bits)

    def do_set_custom_capabilities(self, command: dict[str, Any]) -> None:
        self.client.set_custom_capabilities(command["capabilities"])

    def do_send_custom(self, command: dict[str, Any]) -> None:
        data = base64.b64decode(command["data"])
        self.client.send_custom(command["capability"], command["type"], data)

    def do_set_effective_config(self, command: dict[str, Any]) -> None:
        files = {}
        for name, file in command["files"].items():
            body = base64.b64decode(file.get("body_base64", "")) or file["body"]
            files[name] = opamp.ConfigFile(body, file.get("content_type", ""))
        self.client.set_effective_config(files)

    def do_set_components(self, command: dict[str, Any]) -> None:
        parts = {n: component(c) for n, c in command["components"].items()}
        digest = hashlib.sha256(json.dumps(command["components"]).encode()).digest()
        self.client.set_available_components(opamp.AvailableComponents(parts, digest))

    def do_batch(self, command: dict[str, Any]) -> None:
        with self.client.hold():
            for each in command["commands"]:
                self.do(each)

    def do_stop(self, command: dict[str, Any]) -> None:
        self.client.stop()

    def run(self) -> None:
        """Until it is told to stop, or its input ends."""
        say("starting", instance_uid=str(self.client.instance_uid))
        self.client.start()
        for line in sys.stdin:
            command = json.loads(line)
            result: dict[str, object] = {"id": command["id"], "ok": True}
            try:
                self.do(command)
            except opamp.OpampError as error:
                result |= {"ok": False, "message": str(error)}
            say("result", **result)
            if self.over.is_set():
                return
        self.client.stop()


def health(given: dict[str, Any]) -> opamp.Health:
    return opamp.Health(
        healthy=given["healthy"],
        status=given.get("status", ""),
        last_error=given.get("last_error", ""),
        start_time=given.get("start_time_unix_nano", 0),
        components={n: health(h) for n, h in given.get("components", {}).items()},
    )


def component(given: dict[str, Any]) -> opamp.Component:
    parts = {n: component(c) for n, c in given.get("components", {}).items()}
    return opamp.Component(given.get("metadata", {}), parts)


if __name__ == "__main__":
    Agent(options()).run()
