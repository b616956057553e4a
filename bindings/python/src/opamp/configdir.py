# SPDX-License-Identifier: Apache-2.0
"""A directory that shows the files of a configuration offer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opamp import _codec, _glue
from opamp._native import ffi, lib
from opamp.errors import ClosedError, check
from opamp.messages import ConfigFile


class ConfigDir:
    """Shows a set of files, the old one or the new one and nothing in between,
    after a crash, too; and keeps the one that worked last.

        files = opamp.ConfigDir("/etc/app/conf.d")
        files.replace(offer.files)   # they are in place
        ...                          # try them
        files.commit()               # they are good; or
        files.rollback()             # those that worked last are back

    The parent of the directory must be writable. One thread at a time; every
    method may wait for the disk. Raises FileError for what the file system
    refuses, ConfigError for names that cannot be."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens a directory, which is made when it does not exist, and settles
        what a crash left behind. Raises StateError when it is open already, in
        any process."""
        out = ffi.new("opamp_configdir **")
        check(lib.opamp_configdir_open(out, _glue.chars(os.fspath(path), "path")))
        self._pointer: Any = ffi.gc(out[0], lib.opamp_configdir_free)

    @property
    def _handle(self) -> Any:
        if self._pointer is None:
            raise ClosedError("the directory was closed")
        return self._pointer

    def __enter__(self) -> ConfigDir:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The files stay as they are."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            ffi.release(pointer)

    @property
    def path(self) -> str:
        """Its absolute path, links resolved."""
        return _glue.static_text(lib.opamp_configdir_path(self._handle))

    def allow(self, pattern: str) -> None:
        """Allows names like this, besides those of the calls before; without any
        call, all are. "*" stands for any text without a slash, "**" for any
        text, "?" for one character."""
        text = _glue.chars(pattern, "pattern")
        check(lib.opamp_configdir_allow(self._handle, text), "pattern")

    def set_file_mode(self, mode: int) -> None:
        """The permissions of files that replace none; 0o600 by itself."""
        check(lib.opamp_configdir_set_file_mode(self._handle, mode), "mode")

    def replace(self, files: Mapping[str, ConfigFile | bytes | str]) -> None:
        """Shows these files and nothing else. After an error the directory is as
        it was."""
        made = _glue.new_message(lib.OPAMP_MSG_AGENT_CONFIG_MAP)
        _codec.write(made, lib.OPAMP_MSG_AGENT_CONFIG_MAP, files, "files")
        check(lib.opamp_configdir_replace(self._handle, made))

    def commit(self) -> None:
        """Declares the files that are shown good."""
        check(lib.opamp_configdir_commit(self._handle))

    def rollback(self) -> None:
        """Shows the good files again."""
        check(lib.opamp_configdir_rollback(self._handle))

    @property
    def is_good(self) -> bool:
        """Whether the files that are shown are the good ones: after a crash they
        may not be."""
        return bool(lib.opamp_configdir_is_good(self._handle))

    def read(self) -> dict[str, ConfigFile]:
        """The files that are there now, whoever wrote them."""
        out = ffi.new("opamp_msg **")
        check(lib.opamp_configdir_read(self._handle, out))
        found = ffi.gc(out[0], lib.opamp_msg_free)
        return dict(_codec.read(found, lib.OPAMP_MSG_EFFECTIVE_CONFIG))
