# SPDX-License-Identifier: Apache-2.0
"""The act in which an agent moves to another server, and stays there."""

import os
import subprocess

from parts import Failure, Peer, free_port


class Certificates:
    """An authority, a server that it vouches for, and an agent."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=demo authority", "-keyout", "ca.key",
                      "-out", "ca.pem")
        self._sign("server", "subjectAltName=IP:127.0.0.1")
        self._sign("agent", "extendedKeyUsage=clientAuth")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"openssl {arguments[0]}: {done.stderr}")

    def _sign(self, name, extension):
        self._openssl("req", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      f"/CN=demo {name}", "-addext", extension, "-keyout",
                      f"{name}.key", "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                      "-CAkey", "ca.key", "-days", "1", "-copy_extensions",
                      "copy", "-out", f"{name}.pem")

    def path(self, name):
        return os.path.join(self.folder, name)


def offer_settings(peer, name, **opamp):
    """Offers OpAMP connection settings under a hash made of the name."""
    peer.command("offer_settings", hash=name.encode().hex(), opamp=opamp)


def settled(peer, agent, name):
    """(APPLIED or FAILED, error) of the settings of that name."""
    def is_verdict(message):
        status = message.get("connection_settings_status", {})
        return (status.get("last_connection_settings_hash")
                == name.encode().hex()
                and status.get("status") in ("APPLIED", "FAILED"))
    message = peer.message_of(agent, is_verdict,
                              f"{agent.name} has no verdict on “{name}”")
    status = message["connection_settings_status"]
    return status["status"], status.get("error_message", "")


def move(story, options, folder, old, site):
    """The agent of the site leaves `old` for a second server, which is returned;
    what that offers next does not work, and changes nothing."""
    papers = Certificates(os.path.join(folder, "certificates"))
    new = Peer(story, options.peer, "--tls-cert", papers.path("server.pem"),
               "--tls-key", papers.path("server.key"), "--client-ca",
               papers.path("ca.pem"))
    story.tell("server 2", f"listens on {new.address}, with TLS, for agents "
                           "with a certificate")
    offer_settings(old, "move", destination_endpoint=f"wss://{new.address}",
                   tls={"ca_pem_contents_file": papers.path("ca.pem")},
                   certificate={"cert_file": papers.path("agent.pem"),
                                "private_key_file": papers.path("agent.key")})
    story.tell("server", f"offers the agent of {site.name} to go there, with "
                         "a certificate")
    old.goodbye(site.agent)
    tls = new.wait("connected", lambda e: True)["tls"]
    seen = tls["client_certificate"]["subject"]
    status, error = settled(new, site.agent, "move")
    story.check(status == "APPLIED", f"move: {status} {error}")
    story.tell(site.name, f"said goodbye there, came here as “{seen}”, and "
                          "reports APPLIED")

    nowhere = f"wss://127.0.0.1:{free_port()}"
    offer_settings(new, "nowhere", destination_endpoint=nowhere)
    story.tell("server 2", f"offers to go on to {nowhere}, where nobody is")
    status, error = settled(new, site.agent, "nowhere")
    story.check(status == "FAILED" and nowhere in error,
                f"nowhere: {status} {error}")
    story.tell(site.name, f"has tried, is back, and reports FAILED: {error}")

    offer_settings(new, "plain", destination_endpoint=f"ws://{old.address}")
    status, error = settled(new, site.agent, "plain")
    story.check(status == "FAILED" and "weaker" in error,
                f"plain: {status} {error}")
    story.tell(site.name, f"stays when it is offered less: {error}")
    return new
