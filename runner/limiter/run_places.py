"""The runs with limits of their own that a call of the limiter's script is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.limiter.slots import run_of

if TYPE_CHECKING:
    from runner.limiter.limits import RunLimits

NO_RUN: Final = 0  # the place of a request whose run has no limits of its own
_AS_LAST: Final = -1  # the limits that the run's bucket had last


class RunPlaces:
    """Gives each run a place, from 1 on, by which the message names it (round_trip.lua)."""

    def __init__(self) -> None:
        self._limits: dict[int, tuple[int, int]] = {}
        self._places: dict[int, int] = {}

    @property
    def runs(self) -> list[int]:
        """Return the ids of the runs, by place."""
        return list(self._places)

    def of_slot(self, slot_id: str) -> tuple[int, ...]:
        """Return the place of the run whose own bucket has a slot; nothing if no run's has."""
        run = run_of(slot_id)
        return () if run is None else (self._place(run),)

    def of_request(self, limits: RunLimits | None) -> int:
        """Return the place of the run that requests slots with these limits of its own."""
        if limits is None or limits.is_unlimited:
            return NO_RUN
        self._limits[limits.run] = limits.rpm or 0, limits.tpm or 0
        return self._place(limits.run)

    def message(self) -> list[tuple[int, int, int]]:
        """Return (id, rpm, tpm) of each run, by place."""
        return [(run, *self._limits.get(run, (_AS_LAST, _AS_LAST))) for run in self._places]

    def _place(self, run: int) -> int:
        return self._places.setdefault(run, len(self._places) + 1)
