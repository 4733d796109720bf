"""The limits of a bucket: what may be set, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Requests and tokens a minute, requests a second. None: not said; 0: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    rps: int | None = None

    @property
    def unlimited(self) -> bool:
        """Say whether somebody said that there is no limit at all."""
        return self.rpm == 0 and self.tpm == 0 and not self.rps


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a bucket stands. Limits: None is no limit, or nobody asked yet.

    `requests` and `tokens` were used in the last minute; `share` of the limits is in use, less than 1
    after a 429; everybody pauses for `paused_s`.
    """

    rpm: int | None
    tpm: int | None
    rps: int | None
    requests: int
    tokens: int
    paused_s: float
    share: float


def lowest(caps: Iterable[Caps]) -> Caps:
    """Combine the caps of several who ask: the lowest number of each, "no limit" only if all say so."""
    several = list(caps)
    return Caps(
        rpm=_lowest([one.rpm for one in several]),
        tpm=_lowest([one.tpm for one in several]),
        rps=_lowest([one.rps for one in several]),
    )


def _lowest(said: list[int | None]) -> int | None:
    numbers = [number for number in said if number]
    if numbers:
        return min(numbers)
    return None if None in said else 0
