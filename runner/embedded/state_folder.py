"""The state folder: the paths and locks in it, and its checks. Only its owner can read it."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from runner.embedded.file_lock import FileLock
from runner.embedded.file_system import network_file_system
from runner.rules.errors import UsageError
from runner.settings import socket_path

if TYPE_CHECKING:
    from pathlib import Path

ENGINE_READY: Final = "engine.ready"  # what engine.py logs when it has opened its database
_FIX = "name another folder with RUNNER_HOME"
_FIXES = {  # where another folder is no cure for the runs of this one
    errno.ENOSPC: f"make room on it, or {_FIX} for new runs",
    errno.EDQUOT: f"make room within it, or {_FIX} for new runs",
}
_REASONS = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "your quota on its disk is used up",
    errno.EROFS: "its disk is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.ENOTDIR: "a file is in its way",
    errno.EEXIST: "a file is in its way",
}


class StateFolder:
    """Paths and locks of one state folder. Only `prepare` creates or changes files."""

    def __init__(self, path: Path) -> None:
        self.path = path
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

    def check(self) -> Path:
        """Check whether the folder can be used; return it, or the nearest parent that exists.

        Changes nothing. Raises the UsageError that `prepare` would raise.
        """
        self._require_local()
        try:
            nearest = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
            disk = os.statvfs(nearest)
        except OSError as error:
            raise self._unusable(error.errno or 0) from None
        if nearest == self.path:
            _require_owner(nearest, nearest.stat())
        if not nearest.is_dir():
            raise self._unusable(errno.ENOTDIR)
        if disk.f_flag & os.ST_RDONLY:
            raise self._unusable(errno.EROFS)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._unusable(errno.EACCES)
        if disk.f_bavail == 0:
            raise self._unusable(errno.ENOSPC)
        return nearest

    def prepare(self) -> None:
        """Create the folder and its subfolders with mode 0700, and test that a file can be written.

        Raises UsageError when the folder belongs to another user, cannot be written, or is not local.
        """
        self._require_local()
        try:
            _make_private(self.path, parents=True)
            for folder in (self.spool, self.logs, self.valkey, self.locks):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            raise self._unusable(error.errno or 0) from None
        if self.socket.parent != self.path:
            self._prepare_socket_folder()

    def _require_local(self) -> None:
        kind = network_file_system(self.path)
        if kind is not None:
            raise UsageError(
                f"the state folder {self.path} is on a network file system ({kind}), which can damage a"
                " database",
                fix="name a folder on a disk of this machine with RUNNER_HOME",
            )

    def _unusable(self, error_number: int) -> UsageError:
        reason = _REASONS.get(error_number) or os.strerror(error_number).lower()
        return UsageError(
            f"the state folder {self.path} cannot be used: {reason}", fix=_FIXES.get(error_number, _FIX)
        )

    def engine_lock(self) -> FileLock:
        """Return the lock that a running engine holds exclusively."""
        return FileLock(self.locks / "engine.lock")

    def has_engine(self) -> bool:
        """Return whether a process holds the engine lock; True where that cannot be found out.

        Creates no file.
        """
        lock = self.engine_lock()
        try:
            return lock.exists() and lock.is_locked_exclusively()
        except OSError:
            return True

    def is_engine_ending(self) -> bool:
        """Return whether the engine has no command and no detached run left. Creates no file."""
        lock = self.attached_lock()
        try:
            return lock.exists() and lock.is_locked_exclusively() and not self.detached.exists()
        except OSError:
            return False

    def attached_lock(self) -> FileLock:
        """Return the lock that commands hold shared; the engine takes it exclusively to end."""
        return FileLock(self.locks / "attached.lock")

    def watchers_lock(self) -> FileLock:
        """Return the lock by which commands detect each other (shared); the engine never takes it."""
        return FileLock(self.locks / "watchers.lock")

    def followers_lock(self, run_id: int) -> FileLock:
        """Return the lock that commands hold shared while they follow a run: they call --on-end."""
        return FileLock(self.locks / f"followers-{run_id}.lock")

    def load_lock(self, sha256: str) -> FileLock:
        """Return the lock that a command holds while it loads the input with this sha256."""
        return FileLock(self.locks / f"load-{sha256}.lock")

    def _prepare_socket_folder(self) -> None:
        folder = self.socket.parent
        try:
            _make_private(folder, parents=False)
        except OSError as error:
            raise UsageError(
                f"the folder of Valkey's socket, {folder}, cannot be used: {error.strerror}",
                fix="make RUNNER_HOME a shorter path, of plain letters; the socket then lies in it",
            ) from None


def _make_private(folder: Path, *, parents: bool) -> None:
    folder.mkdir(mode=0o700, parents=parents, exist_ok=True)
    status = folder.stat() if parents else folder.lstat()
    _require_owner(folder, status)
    if stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)


def _require_owner(folder: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode) and status.st_uid != os.getuid():
        raise UsageError(f"the folder {folder} belongs to another user", fix=_FIX)
    if stat.S_ISLNK(status.st_mode):
        raise UsageError(f"the folder {folder} is a link, which anybody may have made", fix=_FIX)
