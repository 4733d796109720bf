"""Failures in a row, which say how long to wait, and when to say that a service is away."""

from __future__ import annotations

from typing import Final

AWAY_AFTER: Final = 3
TOGETHER: Final = 3
PROBE_S_MAX: Final = 30.0  # what is away is asked at least so often


class Streak:
    """Counts failures of one door until something succeeds."""

    def __init__(self) -> None:
        self._n = self._together = 0
        self._failed_at_ms = 0

    @property
    def is_serious(self) -> bool:
        """Say whether it is more than a stray one: a second time, or several at the same time."""
        return self._n > 1 or self._together >= TOGETHER

    def failed(self, sent_at_ms: int, now_ms: int) -> int:
        """Count one. Those that were on their way together are one: the API was asked once."""
        self._together += 1
        if sent_at_ms >= self._failed_at_ms:
            self._n += 1
            self._together = 1
            self._failed_at_ms = now_ms
        return self._n

    def ended(self) -> None:
        """Begin anew: a request did what it was for."""
        self._n = self._together = 0
        self._failed_at_ms = 0
