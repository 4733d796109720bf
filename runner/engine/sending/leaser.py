"""Leases and claims of this worker: its group commit, its number, and how long its leases hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.moves import job_moves
from runner.db.moves.outcomes import PollAgain
from runner.db.workers import leases
from runner.engine.sending import record_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.runs.run_row import RunOptions
    from runner.db.workers.leases import ClaimedJob, LeasedJob, LeaseLimits
    from runner.engine.sending.record_attempts import AttemptToSend, RecordedAttempts
    from runner.engine.storing.group_commit import GroupCommit


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Jobs to poll now, claimed at `at_ms`. `is_full`: there may be more. `next_due_ms`: the next one's."""

    jobs: list[ClaimedJob]
    is_full: bool
    at_ms: int
    next_due_ms: int | None


class Leaser:
    """`lease_s`: how long a lease holds, from `now_ms` on."""

    def __init__(
        self, group_commit: GroupCommit, worker: int, now_ms: Callable[[], int], lease_s: float
    ) -> None:
        self._group_commit, self._worker = group_commit, worker
        self._now_ms, self._lease_ms = now_ms, int(lease_s * 1000)

    async def lease_pending(self, run_id: int, limits: LeaseLimits) -> list[LeasedJob]:
        """Lease pending jobs of a run, in the order of its file."""
        now_ms = self._now_ms()
        return await self._group_commit.execute(
            lambda connection, _: leases.lease_pending(
                connection,
                limits,
                run_id=run_id,
                worker=self._worker,
                now_ms=now_ms,
                until_ms=now_ms + self._lease_ms,
            )
        )

    async def release(self, jobs: Sequence[LeasedJob]) -> None:
        """Free jobs that were leased and not recorded as sent."""
        if jobs:
            unsent = [job.lease for job in jobs]
            await self._group_commit.execute(lambda connection, _: leases.release(connection, unsent))

    async def record_attempts(
        self, attempts: Sequence[AttemptToSend], options: RunOptions, *, are_costs_unknown: bool
    ) -> RecordedAttempts:
        """Record attempts of one run right before they are sent, as far as its bounds allow."""
        now_ms = self._now_ms()
        return await self._group_commit.execute(
            lambda connection, deltas: record_attempts.record_attempts(
                connection,
                deltas,
                attempts,
                options=options,
                costs_unknown=are_costs_unknown,
                worker=self._worker,
                now_ms=now_ms,
                until_ms=now_ms + self._lease_ms,
            )
        )

    async def claim_due(
        self,
        rows_max: int,
        postpone_s: Callable[[ClaimedJob], float],
        *,
        accepted_before_ms: int | None = None,
        without_runs: Sequence[int] = (),
    ) -> Claimed:
        """Claim jobs whose polls are due, and postpone some of them at once by `postpone_s` seconds.

        `accepted_before_ms`: only jobs that were accepted before. `without_runs`: not those of these runs.
        `postpone_s` has to be safe on any thread.
        """
        now_ms = self._now_ms()

        def claim(connection: Connection, deltas: Deltas) -> Claimed:
            found = leases.claim_waiting(
                connection,
                worker=self._worker,
                now_ms=now_ms,
                until_ms=now_ms + self._lease_ms,
                rows_max=rows_max,
                deltas=deltas,
                accepted_before_ms=accepted_before_ms,
                without_runs=without_runs,
            )
            waits = [(job, postpone_s(job)) for job in found]
            postponed = [
                PollAgain(
                    lease=job.lease,
                    due_at_ms=now_ms + int(wait_s * 1000),
                    misses=job.misses,
                    was_asked=False,
                )
                for job, wait_s in waits
                if wait_s
            ]
            # In the same transaction, so that no other move comes between the claim and this one.
            job_moves.later(connection, postponed, deltas)
            return Claimed(
                jobs=[job for job, wait_s in waits if not wait_s],
                is_full=len(found) == rows_max,
                at_ms=now_ms,
                next_due_ms=leases.next_due_ms(connection, without_runs),
            )

        return await self._group_commit.execute(claim)
