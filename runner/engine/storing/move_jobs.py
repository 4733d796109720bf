"""Writes the moves of jobs by group commit, then wakes the part of the worker that goes on with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.db.jobs.job_ids import run_of
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.moves.job_moves import MoveFunction
    from runner.db.moves.outcomes import Accepted, PollAgain, Requeue, Settled
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.run_monitor import RunMonitor
    from runner.engine.storing.group_commit import GroupCommit


class JobMover:
    """Each method returns once the move is durable."""

    def __init__(self, group_commit: GroupCommit, monitor: RunMonitor, wakeups: Wakeups) -> None:
        self._group_commit, self._monitor, self._wakeups = group_commit, monitor, wakeups

    async def requeue(self, move: MoveFunction, row: Requeue) -> None:
        """Move a job whose attempt ended without an answer: it is pending again, or has its end."""
        await self._group_commit.write(move, row.lease.job_id, row)
        self._wake_next(row.lease.run_id, row.target)

    async def requeue_all(self, move: MoveFunction, rows: Sequence[Requeue]) -> None:
        """Move some jobs of one run in one statement."""
        if rows:
            await self._group_commit.execute(lambda connection, deltas: move(connection, rows, deltas))
            self._wake_next(rows[0].lease.run_id, rows[0].target)

    async def poll_later(self, move: MoveFunction, row: PollAgain | Accepted) -> None:
        """Move a job whose answer is due at a later time."""
        await self._group_commit.write(move, row.lease.job_id, row)
        self._wakeups.wake_collector_at(row.due_at_ms)

    async def store(self, write: MoveFunction, job_id: int, row: Any, settled: Settled | None) -> None:
        """Store an answer; `settled` is None if the reaper has to settle it."""
        await self._group_commit.write(write, job_id, row)
        if settled is not None:
            self._wake_next(run_of(job_id), settled.target)

    async def count(self, write: MoveFunction, job_id: int, row: Any) -> None:
        """Count an unreadable reply; its job waits, is pending again, or has its end."""
        await self._group_commit.write(write, job_id, row)
        self._wakeups.submit.set()
        self._monitor.note_ended(run_of(job_id))

    def _wake_next(self, run_id: int, target: JobState) -> None:
        if target is JobState.PENDING:
            self._wakeups.submit.set()
        else:
            self._monitor.note_ended(run_id)
