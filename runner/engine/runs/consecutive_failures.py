"""Consecutive failures: they decide how long to wait, and when a service counts as unavailable."""

from __future__ import annotations

from typing import Final

CONCURRENT_FAILURES: Final = 3


class ConsecutiveFailures:
    """Counts the failures of one endpoint since its last success."""

    def __init__(self) -> None:
        self._count = self._concurrent = 0
        self._failed_at_ms = 0

    @property
    def has_failed(self) -> bool:
        """Return whether the last one failed."""
        return self._count > 0

    @property
    def should_probe(self) -> bool:
        """Return whether to send one request at a time: after two failures, or several concurrent ones."""
        return self._count > 1 or self._concurrent >= CONCURRENT_FAILURES

    def record_failure(self, sent_at_ms: int, now_ms: int) -> int:
        """Count a failure; return how many are in a row. Requests in flight together count as one."""
        self._concurrent += 1
        if sent_at_ms >= self._failed_at_ms or now_ms < self._failed_at_ms:  # or the clock was set back
            self._count += 1
            self._concurrent = 1
            self._failed_at_ms = now_ms
        return self._count

    def reset(self) -> None:
        """Start from zero after a success."""
        self._count = self._concurrent = 0
        self._failed_at_ms = 0
