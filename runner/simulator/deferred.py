"""Deferred jobs: kept until the result is fetched, once, or expires 24 hours after acceptance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.usage import Usage

LIFETIME_S = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class Job:
    """An accepted job, ready from `ready_at` on. Times are seconds of the simulator's clock."""

    serial: int
    team: str
    model: Model
    choices: bytes  # JSON
    usage: Usage
    fingerprint: str
    accepted_at: float
    ready_at: float


class DeferredJobs:
    """The jobs not fetched yet, by serial number, in order of acceptance."""

    def __init__(self, *, clock_scale: float) -> None:
        self._lifetime_s = LIFETIME_S / clock_scale
        self._jobs: dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """Keep an accepted job."""
        self._jobs[job.serial] = job

    def find(self, serial: int, team: str) -> Job | None:
        """Return the job if it is not fetched yet and belongs to the team, else None."""
        job = self._jobs.get(serial)
        return job if job is not None and job.team == team else None

    def drop(self, job: Job) -> None:
        """Remove a job that is kept."""
        del self._jobs[job.serial]

    def is_expired(self, job: Job, now: float) -> bool:
        """Return whether the job's lifetime is over."""
        return now > job.accepted_at + self._lifetime_s

    def remove_expired(self, now: float) -> list[Job]:
        """Remove and return the expired jobs."""
        expired = [job for job in self._jobs.values() if self.is_expired(job, now)]
        for job in expired:
            self.drop(job)
        return expired
