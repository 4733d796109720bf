"""Whether the disk under the spool takes an answer: it can be fetched once only, so that is asked before."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

ROOM_BYTES_MIN: Final = 32 << 20  # for what is in flight, the database and its log
_LOOK_S: Final = 0.5
_REFUSED_S: Final = 10.0  # a write that failed is tried again after so long


class Disk:
    """Looks at most twice a second. Used on one loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_s = self._refused_until_s = 0.0
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Say why nothing may be sent or fetched now; None while there is room."""
        now_s = time.monotonic()
        if now_s >= self._next_s and now_s >= self._refused_until_s:
            self._next_s = now_s + _LOOK_S
            self._trouble = self._look()
        return self._trouble

    def refused(self, error: OSError) -> None:
        """Note that a write failed, whatever room there seemed to be: a quota, a disk gone read-only."""
        self._refused_until_s = time.monotonic() + _REFUSED_S
        self._trouble = f"the state folder {self._folder.parent} cannot be written: {error.strerror}"

    def _look(self) -> str | None:
        return lack(self._folder.parent, free_bytes(self._folder))


def free_bytes(folder: Path) -> int:
    """Return how many bytes may still be written to the disk of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def lack(state_folder: Path, free: int) -> str | None:
    """Say that so many free bytes are not enough; None where they are."""
    if free >= ROOM_BYTES_MIN:
        return None
    return (
        f"the disk of the state folder {state_folder} is full: {free / 1e6:.0f} MB are left,"
        f" {ROOM_BYTES_MIN / 1e6:.0f} are needed"
    )
