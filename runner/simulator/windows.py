"""Sliding windows: requests and tokens per minute, requests per second, of one team and model.

At time `now` the minute window contains what was charged after now - 60 s. The caller passes the time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MINUTE_S = 60.0
SECOND_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests per minute, tokens per minute, requests per second of one team and model; None is no limit."""

    rpm: int | None
    tpm: int | None
    rps: int | None


class Window:
    """Recent charges of one team and model, and the highest sums ever reached."""

    __slots__ = ("_minute", "_second", "_tokens", "_used", "peak_rpm", "peak_rps", "peak_tpm")

    def __init__(self) -> None:
        self._minute: deque[float] = deque()
        self._tokens: deque[int] = deque()  # parallel to _minute: no tuple per request
        self._second: deque[float] = deque()
        self._used = 0
        self.peak_rpm = self.peak_tpm = self.peak_rps = 0

    def broken_limit(self, now: float, tokens: int, limits: Limits) -> str | None:
        """Return the limit that a request with `tokens` would break, in the API's words, or None."""
        self._slide(now)
        requests, rate, used = len(self._minute) + 1, len(self._second) + 1, self._used + tokens
        if limits.rps is not None and rate > limits.rps:
            return f"Requests per Second (actual/limit): {rate}/{limits.rps}"
        if limits.rpm is not None and requests > limits.rpm:
            return f"Requests per Minute (actual/limit): {requests}/{limits.rpm}"
        if tokens and limits.tpm is not None and used > limits.tpm:
            return f"Tokens per Minute (actual/limit): {used}/{limits.tpm}"
        return None

    def charge(self, now: float, tokens: int) -> None:
        """Count an accepted request and update the peaks."""
        self._slide(now)
        self._minute.append(now)
        self._tokens.append(tokens)
        self._second.append(now)
        self._used += tokens
        rpm, rps = len(self._minute), len(self._second)
        self.peak_rpm = max(self.peak_rpm, rpm)
        self.peak_rps = max(self.peak_rps, rps)
        self.peak_tpm = max(self.peak_tpm, self._used)

    def _slide(self, now: float) -> None:
        minute, second = self._minute, self._second
        while minute and minute[0] <= now - MINUTE_S:
            minute.popleft()
            self._used -= self._tokens.popleft()
        while second and second[0] <= now - SECOND_S:
            second.popleft()
