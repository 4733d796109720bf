"""What a process has to tell a bucket and has not told yet. Telling it twice does no harm.

Only refused polls would count twice then; that takes a lost reply and changes little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class News:
    """Slots by id; times are loop times. `announced` is (rpm, tpm) as the API said.

    `polls` were sent since the last refusal of one, `polls_refused` among them.
    """

    confirmed: list[tuple[str, float]] = field(default_factory=list)
    settled: list[tuple[str, int]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    pause_until: float = 0.0
    refused: bool = False
    polls: int = 0
    polls_refused: int = 0
    announced: tuple[int | None, int | None] | None = None

    @property
    def urgent(self) -> bool:
        """Say whether others must hear it at once."""
        return self.refused or self.pause_until > 0 or self.announced is not None

    def __bool__(self) -> bool:
        return self.urgent or bool(self.confirmed or self.settled or self.released or self.polls)

    def before(self, later: News) -> News:
        """Put these, which could not be told, before the ones that came since."""
        return News(
            confirmed=self.confirmed + later.confirmed,
            settled=self.settled + later.settled,
            released=self.released + later.released,
            pause_until=max(self.pause_until, later.pause_until),
            refused=self.refused or later.refused,
            polls=self.polls + later.polls,
            polls_refused=self.polls_refused + later.polls_refused,
            announced=later.announced or self.announced,
        )

    def message(self, now: float) -> dict[str, Any]:
        """Word it for talk.lua."""
        rpm, tpm = self.announced or (None, None)
        return {
            "confirm": [(slot_id, _us(now - at)) for slot_id, at in self.confirmed],
            "settle": self.settled,
            "release": self.released,
            "pause_us": _us(self.pause_until - now),
            "refused": self.refused,
            "polls": self.polls,
            "polls_refused": self.polls_refused,
            "announced": {"rpm": rpm or -1, "tpm": tpm or -1},
        }


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
