"""The state folder: what lies where in it, and that it is private to its owner."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from runner.embedded.file_system import network_file_system
from runner.embedded.lock import Lock
from runner.rules.errors import UsageError
from runner.settings import socket_path

if TYPE_CHECKING:
    from pathlib import Path

_FIX = "name another folder with RUNNER_HOME"
_WHY = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "your quota on its disk is used up",
    errno.EROFS: "its disk is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.ENOTDIR: "a file is in its way",
    errno.EEXIST: "a file is in its way",
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
        self.valkey_log = self.logs / "valkey.log"
        self.detached = path / "detached"
        self.socket = socket_path(path)

    def look(self) -> Path:
        """Return the folder, or the nearest one above it that exists; nothing is changed.

        Raises UsageError with the sentence that `prepare` would raise.
        """
        self._need_local()
        try:
            nearest = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
            disk = os.statvfs(nearest)
        except OSError as error:
            raise self._unfit(error.errno or 0) from None
        if nearest == self.path:
            _need_own(nearest, nearest.stat())
        if not nearest.is_dir():
            raise self._unfit(errno.ENOTDIR)
        if disk.f_flag & os.ST_RDONLY:
            raise self._unfit(errno.EROFS)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._unfit(errno.EACCES)
        if disk.f_bavail == 0:
            raise self._unfit(errno.ENOSPC)
        return nearest

    def prepare(self) -> None:
        """Make the folder and what belongs in it, mode 0700.

        Raises UsageError, in a sentence, when it is another user's, cannot be written, or is not local.
        """
        self._need_local()
        try:
            _private(self.path, parents=True)
            for folder in (self.spool, self.logs, self.valkey, self.locks):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            raise self._unfit(error.errno or 0) from None
        if self.socket.parent != self.path:
            self._prepare_socket_folder()

    def _need_local(self) -> None:
        kind = network_file_system(self.path)
        if kind is not None:
            raise UsageError(
                f"the state folder {self.path} is on a network file system ({kind}), which can damage a"
                " database",
                fix="name a folder on a disk of this machine with RUNNER_HOME",
            )

    def _unfit(self, number: int) -> UsageError:
        why = _WHY.get(number) or os.strerror(number).lower()
        return UsageError(f"the state folder {self.path} cannot be used: {why}", fix=_FIX)

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
    _need_own(folder, found)
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def _need_own(folder: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode) and found.st_uid != os.getuid():
        raise UsageError(f"the folder {folder} belongs to another user", fix=_FIX)
    if stat.S_ISLNK(found.st_mode):
        raise UsageError(f"the folder {folder} is a link, which anybody may have made", fix=_FIX)
