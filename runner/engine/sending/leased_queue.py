"""The jobs of one run that a worker has leased and that wait for slots."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.rules.sending.submit_plan import CHUNK_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.workers.leases import LeasedJob


@dataclass(slots=True)
class LeasedQueue:
    """The leased jobs of one run that wait for slots. Times are loop times."""

    jobs: deque[LeasedJob] = field(default_factory=deque)
    chunk: int = CHUNK_FIRST
    empty_until: float = 0.0
    paused_until: float = 0.0  # no batch before this time: the budget allows none, or the last one failed
    own_limit_until: float = 0.0  # no batch before this time: the run's own limit grants no slot

    @property
    def closed_until(self) -> float:
        """Return before which time there is no batch."""
        return max(self.paused_until, self.own_limit_until)

    def add(self, found: Sequence[LeasedJob]) -> None:
        """Append jobs that were just leased; a job that waits here under an expired lease is replaced.

        With both leases in the queue it would be sent twice.
        """
        again = {job.lease.job_id for job in found}
        self.jobs = deque(job for job in self.jobs if job.lease.job_id not in again)
        self.jobs.extend(found)

    def remove(self, gone: Sequence[LeasedJob]) -> None:
        """Remove some jobs."""
        ids = {job.lease.job_id for job in gone}
        self.jobs = deque(job for job in self.jobs if job.lease.job_id not in ids)
