"""Updates of a bucket that wait to be sent to the limiter script.

Sending them twice does no harm. Only refused polls count twice after a lost reply, which changes little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.limiter.run_places import RunPlaces


@dataclass(slots=True, kw_only=True)
class PendingUpdates:
    """Updates by slot id. Times are those of the limiter's clock."""

    confirmed: list[tuple[str, float]] = field(default_factory=list)  # (slot id, time of the reply)
    settled: list[tuple[str, int]] = field(default_factory=list)  # (slot id, tokens used)
    released: list[str] = field(default_factory=list)
    pause_until: float = 0.0
    rate_limited: bool = False  # a submit got a 429
    polls: int = 0  # since the last refused poll, that one among them
    polls_refused: int = 0
    announced: tuple[int | None, int | None] | None = None  # (rpm, tpm) of the API's headers

    @property
    def urgent(self) -> bool:
        """Return whether other processes need them now."""
        return self.rate_limited or self.pause_until > 0 or self.announced is not None

    def __bool__(self) -> bool:
        return self.urgent or bool(self.confirmed or self.settled or self.released or self.polls)

    def merged_before(self, later: PendingUpdates) -> PendingUpdates:
        """Return these updates merged with later ones."""
        return PendingUpdates(
            confirmed=self.confirmed + later.confirmed,
            settled=self.settled + later.settled,
            released=self.released + later.released,
            pause_until=max(self.pause_until, later.pause_until),
            rate_limited=self.rate_limited or later.rate_limited,
            polls=self.polls + later.polls,
            polls_refused=self.polls_refused + later.polls_refused,
            announced=later.announced or self.announced,
        )

    def message(self, now: float, places: RunPlaces) -> dict[str, Any]:
        """Return the updates as the script takes them (round_trip.lua): ages in place of times."""
        rpm, tpm = self.announced or (None, None)
        return {
            "confirm": [(slot_id, _us(now - at), *places.of_slot(slot_id)) for slot_id, at in self.confirmed],
            "settle": [(slot_id, tokens, *places.of_slot(slot_id)) for slot_id, tokens in self.settled],
            "release": [(slot_id, *places.of_slot(slot_id)) for slot_id in self.released],
            "pause_us": _us(self.pause_until - now),
            "rate_limited": self.rate_limited,
            "polls": self.polls,
            "polls_refused": self.polls_refused,
            "announced": {"rpm": rpm or -1, "tpm": tpm or -1},
        }


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
