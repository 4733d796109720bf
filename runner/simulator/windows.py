"""Strict sliding windows: requests and tokens a minute, requests a second, of one team and model.

The window that ends now holds what was charged after now - 60 s. Time comes in as an argument.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MINUTE_S = 60.0
SECOND_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one team may do with one model; None is no limit."""

    rpm: int | None
    tpm: int | None
    rps: int | None


class Window:
    """What one team charged to one model of late, and the peaks it ever reached."""

    __slots__ = ("_minute", "_second", "_tokens", "_used", "peak_rpm", "peak_rps", "peak_tpm")

    def __init__(self) -> None:
        self._minute: deque[float] = deque()
        self._tokens: deque[int] = deque()  # beside the minute: no pair for each of a million requests
        self._second: deque[float] = deque()
        self._used = 0
        self.peak_rpm = self.peak_tpm = self.peak_rps = 0

    def refusal(self, now: float, tokens: int, limits: Limits) -> str | None:
        """The limit that a request of so many tokens would break, as the API words it; else None."""
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
        """Books an accepted request."""
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
