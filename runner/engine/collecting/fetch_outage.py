"""A fetch outage: fetches bring no answers but something else, such as the web page of a proxy.

From OUTAGE_AFTER unreadable replies in a row on, a worker asks for one answer at a time, ever more rarely,
until the API itself replies again (docs/decisions/0030).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.replies.unreadable import OUTAGE_AFTER, probe_wait_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.workers.leases import Lease


class FetchOutage:
    """Counts the unreadable replies of one worker since the API's own last one. `now_s` is a steady clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._unreadable: list[Lease] = []
        self._probes = 0
        self._probe_at_s = 0.0

    @property
    def is_on(self) -> bool:
        """Return whether there is one."""
        return len(self._unreadable) >= OUTAGE_AFTER

    @property
    def seconds_to_probe(self) -> float:
        """Return the seconds until the next answer may be asked for; 0: now."""
        return max(self._probe_at_s - self._now_s(), 0.0) if self.is_on else 0.0

    def begin_probe(self, rng_unit: float) -> None:
        """Set the time of the probe after this one. `rng_unit` is a random number from [0, 1)."""
        self._probes += 1
        self._probe_at_s = self._now_s() + probe_wait_s(self._probes, rng_unit)

    def record_unreadable(self, lease: Lease, rng_unit: float) -> None:
        """Count an unreadable reply to the fetch of a job; one more may begin the outage."""
        was_on = self.is_on
        self._unreadable.append(lease)
        if self.is_on and not was_on:
            self._probe_at_s = self._now_s() + probe_wait_s(0, rng_unit)

    def record_reply(self) -> list[Lease]:
        """End it: the API has replied. Return the jobs of the unreadable replies before, unless an outage."""
        scattered = [] if self.is_on else self._unreadable
        self._unreadable, self._probes = [], 0
        return scattered
