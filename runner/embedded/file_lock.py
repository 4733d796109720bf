"""File locks (flock). The kernel releases them when the holding process ends, even by kill -9."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FileLock:
    """One flock on a file, held while this object has the file open. Not inherited (close-on-exec)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def try_acquire_exclusive(self) -> bool:
        """Try to take the lock exclusively without waiting; return whether that succeeded."""
        return self._try(fcntl.LOCK_EX)

    def acquire_exclusive(self) -> None:
        """Take the lock exclusively; wait for it."""
        fcntl.flock(self._open(), fcntl.LOCK_EX)

    def acquire_shared(self) -> None:
        """Take the lock shared; wait while another process holds it exclusively."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def is_locked_exclusively(self) -> bool:
        """Return whether another holder has the lock exclusively. Releases what this object holds."""
        is_free = self._try(fcntl.LOCK_SH)
        self.release()
        return not is_free

    def exists(self) -> bool:
        """Return whether any process has used the lock before."""
        return self._path.exists()

    def release(self) -> None:
        """Release the lock, if this object holds it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self._open(), operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return self._fd
