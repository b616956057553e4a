#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One OpAMP server manages the configuration of two nginx, and sends one of
their agents to another server.

Starts opamp-peer, two nginx, and beside each an opamp-agent, one connected over
WebSocket and one over HTTP. Every line it prints was observed: in the events
of the tools, or in what the nginx answer. It exits 0 only if all came true.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time

from move import move
from parts import Agent, Failure, Nginx, Peer, Story

GOOD_1 = 'location / { return 200 "hello from version 1"; }\n'
BAD = 'location / { retrun 200 "hello from version 2"; }\n'
GOOD_3 = 'location / { return 200 "hello from version 4"; }\n'
GOOD_2 = 'location / { return 200 "hello from version 3"; }\n'


def offer(story, peer, config, say, who="server"):
    """Offers one configuration to all agents."""
    story.tell(who, say)
    peer.command("offer_config", files={"site.conf": {
        "body": config, "content_type": "text/plain"}})


def expect_applied(story, peer, site, text):
    status, error = peer.verdict(site.agent)
    story.check(status == "APPLIED", f"{site.name}: {status} {error}")
    site.nginx.wait_for(text)
    story.tell(site.name, f"reports APPLIED; nginx answers “{text}”")


def expect_failed(story, peer, site, text):
    status, error = peer.verdict(site.agent)
    story.check(status == "FAILED", f"{site.name}: {status}")
    # nginx says: time [emerg] pid#pid: words in /file:line
    words = re.search(r": (unknown directive .*) in /", error)
    story.check(words, f"nginx's own words are not in: {error}")
    story.tell(site.name, f"reports FAILED: {words.group(1)}")
    story.check(site.nginx.answer() == text,
                f"{site.name} no longer answers {text}")
    story.tell(site.name, f"nginx still answers “{text}”")


class Site:
    """An nginx and the agent that manages it."""

    def __init__(self, story, options, folder, scheme, peer):
        self.name = {"ws": "websocket", "http": "http"}[scheme]
        self.nginx = Nginx(story, options.nginx, os.path.join(folder, scheme))
        story.tell(self.name, f"nginx answers “{self.nginx.answer()}” "
                              f"on port {self.nginx.port}")
        self.agent = Agent(story, options.agent, self.nginx,
                           f"{scheme}://{peer.address}/v1/opamp", self.name)
        peer.first_message(self.agent)
        story.tell(self.name, "its agent is connected; the server knows it as "
                              f"{self.agent.uid}")


def break_connection(story, peer, site):
    peer.command("reset")
    site.agent.wait("disconnected", lambda e: True)
    story.tell(site.name, "the connection was cut; nginx answers "
                          f"“{site.nginx.answer()}” meanwhile")
    site.agent.wait("connected", lambda e: True)
    peer.first_message(site.agent)
    story.tell(site.name, "is back and has reported its full state again")


def play(story, options, folder):
    peer = Peer(story, options.peer)
    story.tell("server", f"opamp-peer listens on {peer.address}")
    sites = [Site(story, options, folder, scheme, peer)
             for scheme in ("ws", "http")]
    first = "hello from version 1"

    offer(story, peer, GOOD_1, "offers a configuration")
    for site in sites:
        expect_applied(story, peer, site, first)
    offer(story, peer, BAD, "offers one with a typing error")
    for site in sites:
        expect_failed(story, peer, site, first)
    break_connection(story, peer, sites[0])
    offer(story, peer, GOOD_2, "offers a corrected one")
    for site in sites:
        expect_applied(story, peer, site, "hello from version 3")

    second = move(story, options, folder, peer, sites[0])
    offer(story, second, GOOD_3, "offers a configuration of its own",
          "server 2")
    expect_applied(story, second, sites[0], "hello from version 4")

    for site, server in zip(sites, (second, peer)):
        site.agent.command("stop")
        server.goodbye(site.agent)
        story.check(site.agent.exit_code() == 0, f"{site.name}: exit code")
        story.tell(site.name, "its agent has said goodbye and ended")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--agent", required=True, help="opamp-agent")
    arguments.add_argument("--peer", required=True, help="opamp-peer")
    arguments.add_argument("--nginx", help="nginx (the one on PATH)",
                           default=shutil.which("nginx") or "/usr/sbin/nginx")
    options = arguments.parse_args()

    # Told to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    story = Story(limit_s=20)
    try:
        with tempfile.TemporaryDirectory(prefix="opamp-demo-") as folder:
            # An nginx that root starts serves as another user.
            os.chmod(folder, 0o755)
            try:
                play(story, options, folder)
            finally:
                story.end_processes()
    except (Failure, OSError) as e:
        print(f"\nThis did not come true: {e}")
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\nAll of it was observed, in {time.monotonic() - story.began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
