"""Workers that live and give no sign: frozen, most likely, and holding what others wait for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SILENT_S: Final = 90.0  # beyond any lock that SQLite waits for


class Silence:
    """Compares the signs of life on record from look to look, by its own steady clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._heard: dict[int, tuple[int, float]] = {}

    def broken_by(self, signs: Mapping[int, int], pids: Iterable[int]) -> list[int]:
        """Return which of `pids` gave no new sign for SILENT_S; `signs` are the last ones on record, by pid.

        Those that are not on record yet have their own time to get ready.
        """
        now_s, silent = self._now_s(), []
        for pid in pids:
            sign = signs.get(pid)
            if sign is None:
                continue
            last, since_s = self._heard.get(pid, (None, now_s))
            if last != sign:
                since_s = now_s
            self._heard[pid] = sign, since_s
            if now_s - since_s > SILENT_S:
                silent.append(pid)
        return silent
