"""What the last fetches of a process say about the service, and which runs wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.counts import counters
from runner.db.counts.counters import FETCH_REFUSED
from runner.db.events import events
from runner.engine.runs.circuit_breaker import Endpoint
from runner.engine.runs.consecutive_failures import ConsecutiveFailures
from runner.rules.event_kinds import EventKind
from runner.rules.replies import after_fetch
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.workers.leases import Lease
    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRun, ActiveRuns
    from runner.engine.runs.circuit_breaker import CircuitBreaker
    from runner.engine.storing.group_commit import GroupCommit
    from runner.rules.replies.reply import Classification


class FetchHealth:
    """Knows whether the API replies to fetches; ends the waits of runs when it does again."""

    def __init__(
        self,
        *,
        runs: ActiveRuns,
        outage: FetchOutage,
        breaker: CircuitBreaker,
        group_commit: GroupCommit,
        wakeups: Wakeups,
        now_ms: Callable[[], int],
    ) -> None:
        self._runs, self._outage, self._breaker = runs, outage, breaker
        self._group_commit, self._wakeups, self._now_ms = group_commit, wakeups, now_ms
        self._failures = ConsecutiveFailures()
        self._written: dict[int, tuple[ActiveRun | None, bool]] = {}  # by run: as read when it was written
        self._warned: set[int] = set()  # runs that say that another server replies

    async def answered(self, lease: Lease) -> None:
        """The API handed out an answer."""
        self._breaker.record(lease, Endpoint.FETCH, bad=False)
        await self.replied(lease.run_id)

    def lost(self, lease: Lease) -> None:
        """The API does not have an answer that was paid."""
        self._breaker.record(lease, Endpoint.FETCH, bad=True)

    async def replied(self, run_id: int) -> None:
        """The API itself replied: end the wait of a run that only collects; for others their submits decide.

        After an outage of the fetches all runs go on. Unreadable replies that were no outage count as bad.
        """
        self._failures.reset()
        await self.set_refused(run_id, is_refused=False)
        was_outage = self._outage.is_on
        for lease in self._outage.record_reply():
            self.lost(lease)
        if was_outage:
            await self.end_outage()
        elif self._runs.has_nothing_to_submit(run_id):
            await self._runs.end_waiting(run_id)

    async def end_outage(self) -> None:
        """End an outage, and the wait of all runs."""
        self._outage.record_reply()
        for active_run in await self._runs.read(fresh=True):
            await self._runs.end_waiting(active_run.run.id)
        self._runs.expire()
        self._wakeups.wake_all()

    async def failed(self, run_id: int, found: Classification, asked_at_ms: int) -> None:
        """Count a failure of the service; after some in a row a run that only collects waits."""
        in_a_row = self._failures.record_failure(asked_at_ms, self._now_ms())
        if not after_fetch.is_unavailable(in_a_row, found.code):
            return
        await self.set_refused(run_id, is_refused=True)
        if self._runs.has_nothing_to_submit(run_id):
            await self._runs.set_waiting(run_id, found.message)

    async def unreadable(self, what: str) -> None:
        """In an outage, set all runs that have requests out to waiting; the API's next reply ends that."""
        for active_run in self._runs.cached if self._outage.is_on else ():
            run_id = active_run.run.id
            if active_run.is_out:
                await self.set_refused(run_id, is_refused=True)
            if active_run.is_out and active_run.run.state is RunState.RUNNING:
                await self._runs.set_waiting(run_id, f"fetches bring {what} instead of answers")

    async def warn_once(self, run_id: int, message: str) -> None:
        """Put a warning on record, once for each run: another server replies."""
        if run_id in self._warned:
            return
        self._warned.add(run_id)
        await self._group_commit.execute(
            lambda connection, _: events.record_once(
                connection, run_id, self._now_ms(), EventKind.WARNING, message
            )
        )

    async def set_refused(self, run_id: int, *, is_refused: bool) -> None:
        """Record whether the answers of a run cannot be fetched, where that has changed."""
        active_run = self._runs.find(run_id)
        known = active_run is not None and bool(active_run.counts.get(FETCH_REFUSED))
        as_read, written = self._written.get(run_id, (None, known))
        if is_refused == (written if as_read is active_run else known):  # others may have written since
            return
        self._written[run_id] = active_run, is_refused
        await self._group_commit.execute(
            lambda connection, deltas: counters.set_fetch_refused(
                connection, deltas, run_id, is_refused=is_refused
            )
        )
