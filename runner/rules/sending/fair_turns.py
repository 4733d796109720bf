"""Fair turns: several runs share one limit in equal parts (start-time fair queueing).

Each run has a position: what it was granted so far, in minutes of the shared limit. The run with the lowest
position goes first. A run that asked for nothing meanwhile has no claim to what it left to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class FairTurns:
    """The turns at one limit."""

    def __init__(self) -> None:
        self._positions: dict[int, float] = {}
        self._now = 0.0  # the position of the run that was served last, when its turn began

    def position(self, run: int) -> float:
        """Return where a run stands; a new one stands with the run whose turn it is."""
        return self._positions.get(run, self._now)

    def serve(self, run: int, cost: float) -> None:
        """Move a run on by what it was granted, in minutes of the limit."""
        start = self.position(run)
        self._now = max(self._now, start)
        self._positions[run] = start + cost

    def leave_out(self, run: int) -> None:
        """Take from a run, which could not use more, what others were served meanwhile."""
        self._positions[run] = max(self.position(run), self._now)

    def keep(self, runs: Collection[int]) -> None:
        """Forget all other runs."""
        self._positions = {run: where for run, where in self._positions.items() if run in runs}
