"""The limits of a bucket, and how much of them is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_RPM_UNLIMITED: Final = 1_000_000  # as which no limit counts where requests of several runs are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests a minute, tokens a minute, requests a second. None: not known; 0: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    rps: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Return whether nothing is limited."""
        return self.rpm == 0 and self.tpm == 0 and not self.rps

    def minutes_of(self, tokens: Iterable[int]) -> float:
        """Return how many minutes of these limits requests of these tokens use, by the scarcer of the two."""
        per_request = 1 / (self.rpm or _RPM_UNLIMITED)
        return sum(max(per_request, one / self.tpm if self.tpm else 0.0) for one in tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """The limits that one run has for itself: requests and tokens a minute. None and 0: none."""

    run: int
    rpm: int | None = None
    tpm: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Return whether the run has none, and so no bucket of its own."""
        return not self.rpm and not self.tpm


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketView:
    """A bucket's limits in force and its usage in the last minute.

    A limit of None: no limit, or no slot was requested yet. `share`: the part of the limits in use, less than
    1 after a 429. `paused_s`: how long all processes still wait.
    """

    rpm: int | None
    tpm: int | None
    rps: int | None
    requests: int
    tokens: int
    paused_s: float
    share: float


def lowest(limits: Iterable[RateLimits]) -> RateLimits:
    """Return the lowest value of each limit; "no limit" only where all have none."""
    several = list(limits)
    return RateLimits(
        rpm=_lowest([one.rpm for one in several]),
        tpm=_lowest([one.tpm for one in several]),
        rps=_lowest([one.rps for one in several]),
    )


def _lowest(values: list[int | None]) -> int | None:
    numbers = [number for number in values if number]
    if numbers:
        return min(numbers)
    return None if None in values else 0
