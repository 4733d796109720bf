"""Locks that the kernel keeps: they end with the process that holds them, kill -9 included."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Lock:
    """One flock on a file, held through this object. Children never inherit it (close-on-exec)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def try_exclusive(self) -> bool:
        """Take the lock alone if nobody else holds it; return whether it is ours."""
        return self._try(fcntl.LOCK_EX)

    def exclusive(self) -> None:
        """Take the lock alone; wait for it."""
        fcntl.flock(self._open(), fcntl.LOCK_EX)

    def shared(self) -> None:
        """Take the lock together with others; wait while somebody holds it alone."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def is_held_alone(self) -> bool:
        """Say whether another holder has it alone. Ask this only of a lock that this object does not hold."""
        free = self._try(fcntl.LOCK_SH)
        self.release()
        return not free

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self, how: int) -> bool:
        try:
            fcntl.flock(self._open(), how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return self._file
