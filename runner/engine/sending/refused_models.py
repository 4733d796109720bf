"""What follows when the API refuses a job's model: the job is held and others go on, or the run pauses.

The run pauses where all of its jobs name refused models, so that nothing else can go on; then no job is held.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.db.jobs import models_of_run
from runner.db.moves import job_moves
from runner.db.moves.outcomes import Cause, Requeue
from runner.rules.replies.model_refusal import ModelRefusals
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.db.session import Database
    from runner.db.workers.leases import LeasedJob
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.storing.move_jobs import JobMover


class RefusedModels:
    """Counts the refusals that this process saw, by run and model; a run that has ended is forgotten.

    The models of a run are read once for each model that is refused, not for each refusal: a run may have
    millions of jobs, and a worker has many of them in flight.
    """

    def __init__(
        self, database: Database, runs: ActiveRuns, mover: JobMover, now_ms: Callable[[], int]
    ) -> None:
        self._database, self._runs = database, runs
        self._mover, self._now_ms = mover, now_ms
        self._refusals: dict[tuple[int, str], ModelRefusals] = {}
        self._others: dict[int, str | None] = {}  # by run: a model that was not refused when it was read
        self._deciding = asyncio.Lock()

    async def handle(self, job: LeasedJob, cause: Cause) -> None:
        """Hold the job, or pause its run."""
        run_id = job.lease.run_id
        async with self._deciding:
            can_others_go_on = await self._can_others_go_on(run_id, job.model)
            if not can_others_go_on and self._runs.is_submitting(run_id):
                self._refusals = {key: found for key, found in self._refusals.items() if key[0] != run_id}
                await self._runs.pause(run_id, PauseReason.MODEL, cause.message)
        if can_others_go_on:
            self._count(job, cause)
            await self._mover.requeue(job_moves.refused, self._row(job, cause, JobState.HELD))
        else:
            await self._mover.requeue(job_moves.refused_for_now, self._row(job, cause, JobState.PENDING))

    def accepted(self, job: LeasedJob) -> None:
        """Forget the refusals of a model that the API takes again."""
        self._refusals.pop((job.lease.run_id, job.model), None)

    def withheld_for(self, job: LeasedJob) -> Cause | None:
        """Return why not to send a job: its model was refused several times since it may be sent."""
        found = self._refusals.get((job.lease.run_id, job.model))
        if found is None or not found.withhold(job.due_at_ms, self._now_ms()):
            return None
        return Cause(code=found.code)

    async def withhold(self, jobs: Sequence[LeasedJob]) -> list[LeasedJob]:
        """Hold those of the leased jobs whose model was refused several times; return them."""
        causes = [(job, self.withheld_for(job)) for job in jobs]
        rows = [(job, self._row(job, cause, JobState.HELD)) for job, cause in causes if cause is not None]
        await self._mover.requeue_all(job_moves.withheld, [row for _, row in rows])
        return [job for job, _ in rows]

    async def withhold_recorded(self, job: LeasedJob, cause: Cause) -> None:
        """Hold a job whose attempt is recorded and was not sent."""
        await self._mover.requeue_all(job_moves.withheld_recorded, [self._row(job, cause, JobState.HELD)])

    def _count(self, job: LeasedJob, cause: Cause) -> None:
        active = {one.run.id for one in self._runs.cached}
        self._refusals = {key: found for key, found in self._refusals.items() if key[0] in active}
        self._others = {run: other for run, other in self._others.items() if run in active}
        before = self._refusals.get((job.lease.run_id, job.model))
        self._refusals[job.lease.run_id, job.model] = ModelRefusals(
            count=before.count + 1 if before else 1, last_at_ms=self._now_ms(), code=cause.code
        )

    async def _can_others_go_on(self, run_id: int, model: str) -> bool:
        """Return whether a job of the run names a model that is not refused, whatever its state."""
        other = self._others.get(run_id)
        if other is not None and other != model:
            return True
        if other is None and run_id in self._others and not self._runs.is_submitting(run_id):
            return False  # found before, and the run is paused for it
        active_run = self._runs.find(run_id)
        limit = active_run.run.options.limit if active_run is not None else None
        loop = asyncio.get_running_loop()
        other = await loop.run_in_executor(None, self._read_other, run_id, model, limit)
        self._others[run_id] = other
        return other is not None

    def _read_other(self, run_id: int, model: str, ordinals_max: int | None) -> str | None:
        """Read a model of the run that is neither this one nor one that jobs are held for."""
        with self._database.read() as connection:
            refused = models_of_run.refused(connection, run_id, of_pending=False)
            return models_of_run.other_than(connection, run_id, {*refused, model}, ordinals_max)

    def _row(self, job: LeasedJob, cause: Cause, target: JobState) -> Requeue:
        now_ms = self._now_ms()
        return Requeue(lease=job.lease, target=target, due_at_ms=now_ms, at_ms=now_ms, cause=cause)
