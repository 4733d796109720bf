"""What follows when the API refuses a job's model: the job is held and others go on, or the run pauses.

The run pauses where all of its jobs name refused models, so that nothing else can go on; then no job is held.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.db import job_moves, models_of_run
from runner.db.outcomes import Cause, Requeue
from runner.rules.model_refusal import ModelRefusals
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import LeasedJob
    from runner.engine.runtime import Runtime


class RefusedModels:
    """Counts the refusals that this process saw, by run and model; a run that has ended is forgotten.

    The models of a run are read once for each model that is refused, not for each refusal: a run may have
    millions of jobs, and a worker has many of them in flight.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refusals: dict[tuple[int, str], ModelRefusals] = {}
        self._others: dict[int, str | None] = {}  # by run: a model that was not refused when it was read
        self._deciding = asyncio.Lock()

    async def handle(self, job: LeasedJob, cause: Cause) -> None:
        """Hold the job, or pause its run."""
        runtime, run_id = self._runtime, job.lease.run_id
        async with self._deciding:
            can_others_go_on = await self._can_others_go_on(run_id, job.model)
            if not can_others_go_on and runtime.is_running(run_id):
                self._refusals = {key: found for key, found in self._refusals.items() if key[0] != run_id}
                await runtime.pause(run_id, PauseReason.MODEL, cause.message)
        if can_others_go_on:
            self._count(job, cause)
            await self._hold(job, cause)
        else:
            await runtime.group_commit.write(
                job_moves.refused_for_now, job.lease.job_id, self._row(job, cause, JobState.PENDING)
            )

    def accepted(self, job: LeasedJob) -> None:
        """Forget the refusals of a model that the API takes again."""
        self._refusals.pop((job.lease.run_id, job.model), None)

    def withheld_for(self, job: LeasedJob) -> Cause | None:
        """Return why not to send a job: its model was refused several times since it may be sent."""
        found = self._refusals.get((job.lease.run_id, job.model))
        if found is None or not found.withhold(job.due_at_ms, self._runtime.now_ms()):
            return None
        return Cause(code=found.code)

    async def withhold(self, jobs: Sequence[LeasedJob]) -> list[LeasedJob]:
        """Hold those of the leased jobs whose model was refused several times; return them."""
        if not self._refusals:
            return []
        causes = [(job, self.withheld_for(job)) for job in jobs]
        rows = [(job, self._row(job, cause, JobState.HELD)) for job, cause in causes if cause is not None]
        await self._withhold([row for _, row in rows])
        return [job for job, _ in rows]

    async def withhold_recorded(self, job: LeasedJob, cause: Cause) -> None:
        """Hold a job whose attempt is recorded and was not sent."""
        await self._withhold([self._row(job, cause, JobState.HELD)])

    async def _withhold(self, rows: Sequence[Requeue]) -> None:
        if rows:
            await self._runtime.group_commit.execute(lambda c, deltas: job_moves.withheld(c, rows, deltas))
            self._runtime.run_monitor.note_ended(rows[0].lease.run_id)

    async def _hold(self, job: LeasedJob, cause: Cause) -> None:
        runtime, row = self._runtime, self._row(job, cause, JobState.HELD)
        await runtime.group_commit.write(job_moves.refused, job.lease.job_id, row)
        runtime.run_monitor.note_ended(job.lease.run_id)

    def _count(self, job: LeasedJob, cause: Cause) -> None:
        active = {one.run.id for one in self._runtime.cached_active_runs}
        self._refusals = {key: found for key, found in self._refusals.items() if key[0] in active}
        self._others = {run: other for run, other in self._others.items() if run in active}
        before = self._refusals.get((job.lease.run_id, job.model))
        self._refusals[job.lease.run_id, job.model] = ModelRefusals(
            count=before.count + 1 if before else 1, last_at_ms=self._runtime.now_ms(), code=cause.code
        )

    async def _can_others_go_on(self, run_id: int, model: str) -> bool:
        """Return whether a job of the run names a model that is not refused, whatever its state."""
        other = self._others.get(run_id, model)
        is_known = other != model if other is not None else not self._runtime.is_running(run_id)
        if not is_known:
            self._others[run_id] = other = await self._other(run_id, model)
        return other is not None

    async def _other(self, run_id: int, model: str) -> str | None:
        """Read a model of the run that is neither this one nor one that jobs are held for."""
        runtime = self._runtime
        ordinals_max = next(
            (a.run.options.limit for a in runtime.cached_active_runs if a.run.id == run_id), None
        )

        def read() -> str | None:
            with runtime.database.read() as connection:
                refused = models_of_run.refused(connection, run_id, of_pending=False)
                return models_of_run.other_than(connection, run_id, {*refused, model}, ordinals_max)

        return await runtime.loop.run_in_executor(None, read)

    def _row(self, job: LeasedJob, cause: Cause, target: JobState) -> Requeue:
        now_ms = self._runtime.now_ms()
        return Requeue(lease=job.lease, target=target, due_at_ms=now_ms, at_ms=now_ms, cause=cause)
