"""The state folder: what lies where in it, and that it is private to its owner."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from runner.embedded.lock import Lock
from runner.rules.errors import UsageError
from runner.settings import socket_path

if TYPE_CHECKING:
    from pathlib import Path

_FIX = "name another folder with RUNNER_HOME"
_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on that disk is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
}


class Home:
    """One state folder. Nothing is touched before `prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = path / "runner.db"
        self.spool = path / "spool"
        self.logs = path / "logs"
        self.valkey = path / "valkey"
        self.locks = path / "locks"
        self.engine_json = path / "engine.json"
        self.engine_token = path / "engine.token"
        self.engine_log = self.logs / "engine.log"
        self.detached = path / "detached"
        self.socket = socket_path(path)

    def prepare(self) -> None:
        """Make the folder and what belongs in it, mode 0700.

        Raises UsageError, in a sentence, when it is another user's, or cannot be written.
        """
        try:
            _private(self.path, parents=True)
            for folder in (self.spool, self.logs, self.valkey, self.locks):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            why = _WHY.get(error.errno or 0, error.strerror)
            raise UsageError(f"the state folder {self.path} cannot be used: {why}", fix=_FIX) from None
        if self.socket.parent != self.path:
            self._prepare_socket_folder()

    def engine_lock(self) -> Lock:
        """Return the lock that the one engine holds alone."""
        return Lock(self.locks / "engine.lock")

    def attached_lock(self) -> Lock:
        """Return the lock that watching commands share, and that an ending engine takes alone."""
        return Lock(self.locks / "attached.lock")

    def watchers_lock(self) -> Lock:
        """Return the lock that watching commands share to learn of each other; the engine never takes it."""
        return Lock(self.locks / "watchers.lock")

    def load_lock(self, sha256: str) -> Lock:
        """Return the lock of a command that loads the input with this sha256."""
        return Lock(self.locks / f"load-{sha256}.lock")

    def _prepare_socket_folder(self) -> None:
        folder = self.socket.parent
        try:
            _private(folder, parents=False)
        except OSError as error:
            raise UsageError(
                f"the folder of Valkey's socket, {folder}, cannot be used: {error.strerror}",
                fix="make RUNNER_HOME a shorter path, of plain letters; the socket then lies in it",
            ) from None


def _private(folder: Path, *, parents: bool) -> None:
    folder.mkdir(mode=0o700, parents=parents, exist_ok=True)
    found = folder.stat() if parents else folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"the folder {folder} belongs to another user", fix=_FIX)
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
