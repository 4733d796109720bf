"""The runs at work as a worker last read them: their options, policies and counters; and their pauses."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from runner.db.counts import counters
from runner.db.runs import run_moves, run_row, runs
from runner.engine.collecting.settle import Policy
from runner.rules import needs
from runner.rules.states import AT_WORK, FINAL, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.engine.limits.follow_team_limits import TeamLimitsFollower
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.engine.storing.group_commit import GroupCommit
    from runner.rules.sending.team_limits import VersionedLimits
    from runner.rules.states import PauseReason

LONG_RUN_JOBS: Final = 1_000  # more than end between two refreshes
REFRESH_S: Final = 0.3
log = logging.getLogger("runner.active_runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """A run with unfinished jobs, its counters by kind and key, and its number of jobs by state."""

    run: RunRow
    counts: dict[tuple[str, str], int]
    states: dict[JobState, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", counters.jobs_by_state(self.counts))

    @property
    def is_long(self) -> bool:
        """Return whether the run has too many unfinished jobs to end before the next refresh."""
        moving = sum(n for state, n in self.states.items() if state not in FINAL and state != JobState.HELD)
        return self.run.options.limit is None and moving > LONG_RUN_JOBS

    @property
    def has_nothing_to_submit(self) -> bool:
        """Return whether all pending jobs of the run, if any, are beyond its limit."""
        limit = self.run.options.limit
        beyond = 0 if limit is None else max(0, self.run.total - limit)
        return self.states[JobState.PENDING] <= beyond

    @property
    def is_submitting(self) -> bool:
        """Return whether the run's state allows to submit."""
        return self.run.state in AT_WORK

    @property
    def can_submit(self) -> bool:
        """Return whether jobs of the run may be submitted now."""
        out = sum(self.states[s] for s in (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING))
        return self.is_submitting and self.states[JobState.PENDING] > 0 and out < self.run.options.max_waiting

    @property
    def is_out(self) -> bool:
        """Return whether answers to requests of the run are not fetched yet."""
        return self.states[JobState.WAITING] + self.states[JobState.COLLECTING] > 0

    @property
    def unsent(self) -> int:
        """Return how many of its jobs are pending or being submitted."""
        return self.states[JobState.PENDING] + self.states[JobState.SUBMITTING]

    @property
    def has_accepted(self) -> bool:
        """Return whether the API took a submit of the run."""
        return bool(self.counts.get(("attempts", "accepted")))


class ActiveRuns:
    """Reads them at most every REFRESH_S, and with them what was set for the team. Belongs to one event loop.

    Runs that need what this version does not know are left out; `left_alone` has their ids.
    """

    def __init__(
        self,
        *,
        database: Database,
        group_commit: GroupCommit,
        now_ms: Callable[[], int],
        price_basis: PriceBasis,
        team_limits: TeamLimitsFollower,
    ) -> None:
        self._database, self._group_commit = database, group_commit
        self._team_limits = team_limits
        self._now_ms, self._price_basis = now_ms, price_basis
        self._runs: dict[int, ActiveRun] = {}
        self._known: dict[int, RunRow] = {}  # also runs that ended since: their last answers come
        self._policies: dict[int, Policy] = {}  # of the runs of the last read
        self.left_alone: tuple[int, ...] = ()
        self._read_at = -1.0
        self._reading = asyncio.Lock()

    async def read(self, *, fresh: bool = False) -> list[ActiveRun]:
        """Return the runs at work, read at most REFRESH_S ago; `fresh`: read now."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if fresh or loop.time() - self._read_at > REFRESH_S:
                found, limits = await loop.run_in_executor(None, self._read)
                self.left_alone = tuple(one.run.id for one in found if not needs.are_known(one.run.needs))
                self._runs = {one.run.id: one for one in found if one.run.id not in self.left_alone}
                self._known |= {active_run.run.id: active_run.run for active_run in found}
                self._read_at = loop.time()
                self._policies.clear()
                self._team_limits.follow(limits)
        return self.cached

    def _read(self) -> tuple[list[ActiveRun], VersionedLimits]:
        """Return the runs at work and the limits of the team, read in one snapshot."""
        with self._database.read() as connection:
            return read_active_runs(connection), self._team_limits.read(connection)

    def expire(self) -> None:
        """Make the next `read` a fresh one."""
        self._read_at = -1.0

    @property
    def cached(self) -> list[ActiveRun]:
        """Return the runs of the last read, however old it is."""
        return list(self._runs.values())

    def find(self, run_id: int) -> ActiveRun | None:
        """Return a run of the last read; None if it is not at work."""
        return self._runs.get(run_id)

    def is_submitting(self, run_id: int) -> bool:
        """Return whether a run may submit, as of the last read."""
        found = self._runs.get(run_id)
        return found is not None and found.is_submitting

    def has_nothing_to_submit(self, run_id: int) -> bool:
        """Return whether a run has no jobs that may be submitted, as of the last read."""
        found = self._runs.get(run_id)
        return found is not None and found.has_nothing_to_submit

    async def settling_policy(self, run_id: int) -> Policy:
        """Return a run's rules for its answers; a run that was never read before is read now.

        Another worker may have sent jobs of a run that began after the last read. Without its recipe their
        answers would count as good, whatever they are.
        """
        if run_id not in self._known:
            loop = asyncio.get_running_loop()
            run = await loop.run_in_executor(None, _read_one, self._database, run_id)
            if run is not None:
                self._known[run_id] = run
                self._policies.pop(run_id, None)
        return self.policy(run_id)

    def policy(self, run_id: int) -> Policy:
        """Return a run's rules for attempts: how many, which answers fail, what they cost."""
        known = self._policies.get(run_id)
        if known is None:
            known = self._policies[run_id] = self._policy(run_id)
        return known

    def _policy(self, run_id: int) -> Policy:
        found = self._runs.get(run_id)
        counts = found.counts if found is not None else None
        run = self._known.get(run_id)
        options = run.options if run is not None else run_row.RunOptions()
        recipe = run.recipe if run is not None else None
        return Policy.of(options, replace(self._price_basis, counts=counts), recipe)

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        """Pause submitting for a run until a person resumes it."""
        if await self._group_commit.execute(
            lambda c, _: run_moves.pause(c, run_id, reason, why, self._now_ms())
        ):
            log.warning("run.paused run=%d reason=%s", run_id, reason)
        await self.read(fresh=True)

    async def set_waiting(self, run_id: int, why: str) -> None:
        """Record that a run waits for a service; submitting continues as rare probes."""
        if await self._group_commit.execute(lambda c, _: run_moves.wait(c, run_id, why, self._now_ms())):
            log.warning("run.waiting run=%d cause=%s", run_id, why)

    async def set_all_waiting(self, active_runs: Iterable[ActiveRun], why: str) -> None:
        """Record it of those of some runs that are running, and read them again."""
        running = [one.run.id for one in active_runs if one.run.state is RunState.RUNNING]
        for run_id in running:
            await self.set_waiting(run_id, why)
        if running:
            await self.read(fresh=True)

    async def end_waiting(self, run_id: int) -> None:
        """End such a wait, if there is one: the service works again."""
        found = self._runs.get(run_id)
        if found is not None and found.run.state is RunState.WAITING:
            await self._group_commit.execute(lambda c, _: run_moves.end_wait(c, run_id, self._now_ms()))
            await self.read(fresh=True)


def read_active_runs(connection: Connection) -> list[ActiveRun]:
    """Return the runs at work, as the transaction of `connection` sees them."""
    return [
        ActiveRun(run=run, counts=counters.read(connection, run.id)) for run in runs.active_runs(connection)
    ]


def _read_one(database: Database, run_id: int) -> RunRow | None:
    with database.read() as connection:
        return runs.find(connection, run_id)
