"""Accepted jobs until their result is handed out, once, or thrown away 24 hours after acceptance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.usage import Usage

LIFETIME_S = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class Job:
    """A job under way or ready. Times are on the simulator's clock; `choices` is JSON, made beforehand."""

    serial: int
    team: str
    model: Model
    choices: bytes
    usage: Usage
    accepted_at: float
    ready_at: float


class Deferred:
    """The unfetched jobs by their running number, which is also their order of acceptance."""

    def __init__(self, *, clock_scale: float) -> None:
        self._lifetime_s = LIFETIME_S / clock_scale
        self._jobs: dict[int, Job] = {}

    def keep(self, job: Job) -> None:
        self._jobs[job.serial] = job

    def find(self, serial: int, team: str) -> Job | None:
        """The unfetched job, if it is this team's."""
        job = self._jobs.get(serial)
        return job if job is not None and job.team == team else None

    def drop(self, job: Job) -> None:
        del self._jobs[job.serial]

    def expired(self, job: Job, now: float) -> bool:
        return now > job.accepted_at + self._lifetime_s

    def take_expired(self, now: float) -> list[Job]:
        """Drops what nobody fetched in time, and tells what it was."""
        gone = [job for job in self._jobs.values() if self.expired(job, now)]
        for job in gone:
            self.drop(job)
        return gone
