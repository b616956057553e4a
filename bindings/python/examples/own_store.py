# SPDX-License-Identifier: Apache-2.0
"""An agent that keeps in a database what it must not forget in a restart:
own_store.py URL FILE

It is the same agent each time, and begins with the configuration that it
accepted last.
"""

import contextlib
import signal
import sqlite3
import sys

import opamp
from opamp import Capability


class Store:
    """Answers the questions of option `store` with a table."""

    def __init__(self, path: str) -> None:
        # Made here, used on the client's thread; never by both at once.
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("CREATE TABLE IF NOT EXISTS state (key PRIMARY KEY, value)")

    def serve(self, client: opamp.Client) -> None:
        client.on(opamp.StoreLoad, self.load)
        client.on(opamp.StoreSave, self.save)
        client.on(opamp.StoreErase, self.erase)

    def load(self, event: opamp.StoreLoad) -> None:
        try:
            found = self.db.execute(
                "SELECT value FROM state WHERE key = ?", (event.key,)
            ).fetchone()
        except sqlite3.Error as error:
            event.failed(str(error))
        else:
            event.loaded(None if found is None else found[0])

    def save(self, event: opamp.StoreSave) -> None:
        statement = "INSERT OR REPLACE INTO state VALUES (?, ?)"
        self.write(event, statement, event.key, event.value)

    def erase(self, event: opamp.StoreErase) -> None:
        self.write(event, "DELETE FROM state WHERE key = ?", event.key)

    def write(self, event: opamp.StoreErase, statement: str, *values: object) -> None:
        try:
            with self.db:  # commits; by default SQLite waits for the disk
                self.db.execute(statement, values)
        except sqlite3.Error as error:
            event.failed(str(error))
        else:
            event.saved()


def main(url: str, path: str) -> None:
    client = opamp.Client(
        url,
        store=True,
        identifying={"service.name": "own-store"},
        capabilities=Capability.DEFAULT
        | Capability.ACCEPTS_REMOTE_CONFIG
        | Capability.REPORTS_REMOTE_CONFIG,
        on_fork="close",  # the database belongs to this process
    )
    Store(path).serve(client)

    @client.on(opamp.RemoteConfig)
    def apply(offer: opamp.RemoteConfig) -> opamp.Status:
        origin = "kept" if offer.restored else "new"
        print(f"{origin}: {sorted(offer.files)}", flush=True)
        return opamp.Status.APPLIED

    with client, contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
