"""What follows when the API refuses a job's model: the job is held and others go on, or the run pauses.

The run pauses where all of its jobs name refused models, so that nothing else can go on; then no job is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db import job_moves, models_of_run
from runner.db.outcomes import Cause, Requeue
from runner.rules.model_refusal import ModelRefusals
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import LeasedJob
    from runner.engine.runtime import Runtime

GONE: Final = "model-gone"


class RefusedModels:
    """Counts the refusals that this process saw, by run and model; a run that has ended is forgotten."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refusals: dict[tuple[int, str], ModelRefusals] = {}

    async def handle(self, job: LeasedJob, cause: Cause) -> None:
        """Hold the job, or pause its run."""
        runtime, run_id = self._runtime, job.lease.run_id
        if await self._can_others_go_on(run_id, job.model):
            self._count(job, cause)
            await self._hold(job, cause)
        else:
            self._refusals = {key: found for key, found in self._refusals.items() if key[0] != run_id}
            await runtime.pause(run_id, PauseReason.MODEL, cause.message)
            await runtime.group_commit.write(
                job_moves.refused_for_now, job.lease.job_id, self._row(job, cause, JobState.PENDING)
            )

    def accepted(self, job: LeasedJob) -> None:
        """Forget the refusals of a model that the API takes again."""
        self._refusals.pop((job.lease.run_id, job.model), None)

    def is_withheld(self, job: LeasedJob) -> bool:
        """Return whether the job's model was refused several times since the job may be sent."""
        found = self._found(job)
        return found is not None and found.withhold(job.due_at_ms, self._runtime.now_ms())

    async def hold_unsent(self, job: LeasedJob) -> None:
        """Hold a job whose attempt is recorded but not sent."""
        await self._hold(job, self._cause(job))

    async def withhold(self, jobs: Sequence[LeasedJob]) -> list[LeasedJob]:
        """Hold those of the leased jobs whose model was refused several times; return them."""
        if not self._refusals:
            return []
        held = [job for job in jobs if self.is_withheld(job)]
        rows = [self._row(job, self._cause(job), JobState.HELD) for job in held]
        if rows:
            runtime = self._runtime
            await runtime.group_commit.execute(
                lambda connection, deltas: job_moves.withheld(connection, rows, deltas)
            )
            runtime.run_monitor.note_ended(jobs[0].lease.run_id)
        return held

    async def _hold(self, job: LeasedJob, cause: Cause) -> None:
        runtime, row = self._runtime, self._row(job, cause, JobState.HELD)
        await runtime.group_commit.write(job_moves.refused, job.lease.job_id, row)
        runtime.run_monitor.note_ended(job.lease.run_id)

    def _cause(self, job: LeasedJob) -> Cause:
        found = self._found(job)
        return Cause(code=found.code if found else GONE)

    def _found(self, job: LeasedJob) -> ModelRefusals | None:
        return self._refusals.get((job.lease.run_id, job.model))

    def _count(self, job: LeasedJob, cause: Cause) -> None:
        active = {one.run.id for one in self._runtime.cached_active_runs}
        self._refusals = {key: found for key, found in self._refusals.items() if key[0] in active}
        before = self._found(job)
        self._refusals[job.lease.run_id, job.model] = ModelRefusals(
            count=before.count + 1 if before else 1, last_at_ms=self._runtime.now_ms(), code=cause.code
        )

    async def _can_others_go_on(self, run_id: int, model: str) -> bool:
        """Return whether a job of the run names a model that is not refused, whatever its state."""
        runtime = self._runtime
        ordinals_max = next(
            (a.run.options.limit for a in runtime.cached_active_runs if a.run.id == run_id), None
        )

        def another() -> str | None:
            with runtime.database.read() as connection:
                refused = models_of_run.refused(connection, run_id) | {model}
                return models_of_run.other_than(connection, run_id, refused, ordinals_max)

        return await runtime.loop.run_in_executor(None, another) is not None

    def _row(self, job: LeasedJob, cause: Cause, target: JobState) -> Requeue:
        now_ms = self._runtime.now_ms()
        return Requeue(lease=job.lease, target=target, due_at_ms=now_ms, at_ms=now_ms, cause=cause)
