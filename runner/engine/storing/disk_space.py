"""Whether the disk of the spool has space for an answer; checked before each fetch."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FREE_BYTES_MIN: Final = 32 << 20  # for what is in flight, the database and its log
_CHECK_S: Final = 0.5
_FAILED_WRITE_S: Final = 10.0  # after a failed write, wait so long before the next try


class DiskSpace:
    """Checks the free space at most twice a second. For one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_s = self._failed_until_s = 0.0
        self._problem: str | None = None

    def problem(self) -> str | None:
        """Return why nothing may be sent or fetched now; None while there is space."""
        now_s = time.monotonic()
        if now_s >= self._next_s and now_s >= self._failed_until_s:
            self._next_s = now_s + _CHECK_S
            self._problem = shortage(self._folder.parent, free_bytes(self._folder))
        return self._problem

    def write_failed(self, error: OSError) -> None:
        """Record that a write failed although there seemed to be space: a quota, or a read-only disk."""
        self._failed_until_s = time.monotonic() + _FAILED_WRITE_S
        self._problem = f"the state folder {self._folder.parent} cannot be written: {error.strerror}"


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that holds a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def shortage(state_folder: Path, free: int) -> str | None:
    """Return a sentence if `free` bytes are too few, else None."""
    if free >= FREE_BYTES_MIN:
        return None
    return (
        f"the disk of the state folder {state_folder} is full: {free / 1e6:.0f} MB are left,"
        f" {FREE_BYTES_MIN / 1e6:.0f} are needed"
    )
