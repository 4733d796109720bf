"""When jobs of a refused model are held without being sent.

A model that was refused REFUSALS_MAX times in a run is refused for its later jobs too. After REMEMBERED_MS
the next ones are sent to find out. A job that became pending after the last refusal is sent all the same: a
person sent it again, perhaps after a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REFUSALS_MAX: Final = 3
REMEMBERED_MS: Final = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRefusals:
    """The refusals of one model in one run, since a job of it was accepted last."""

    count: int
    last_at_ms: int
    code: str  # of the last one

    def withhold(self, due_at_ms: int, now_ms: int) -> bool:
        """Return whether to hold a job of the model that may be sent since `due_at_ms`."""
        is_recent = now_ms - self.last_at_ms <= REMEMBERED_MS
        return self.count >= REFUSALS_MAX and is_recent and due_at_ms <= self.last_at_ms
