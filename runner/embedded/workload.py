"""The work there is: the engine chooses its number of workers by it, and whether it may end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.counts import counters
from runner.db.evaluation import night_runs
from runner.db.runs import runs
from runner.rules.states import AT_WORK, JobState

if TYPE_CHECKING:
    from runner.db.session import Database

_IN_FLIGHT = (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Counts of active runs that submit, their pending jobs, and the jobs in flight of all active runs.

    `nights_to_advance`: nights in the background whose answers are there, and that have not ended.
    """

    submitting_runs: int
    jobs_to_submit: int
    jobs_in_flight: int
    nights_to_advance: int

    @property
    def has_work(self) -> bool:
        """Return whether the engine must stay: a run submits, a job is in flight, a night is open."""
        return self.submitting_runs > 0 or self.jobs_in_flight > 0 or self.nights_to_advance > 0


def read(database: Database) -> Workload:
    """Return the workload, counted from the counters of active runs."""
    submitting_runs = jobs_to_submit = jobs_in_flight = 0
    with database.read() as connection:
        for run in runs.active_runs(connection):
            states = counters.jobs_by_state(counters.read(connection, run.id))
            jobs_in_flight += sum(states[state] for state in _IN_FLIGHT)
            if run.state in AT_WORK:
                submitting_runs += 1
                jobs_to_submit += states[JobState.PENDING]
        nights_to_advance = len(night_runs.waiting_detached(connection))
    return Workload(
        submitting_runs=submitting_runs,
        jobs_to_submit=jobs_to_submit,
        jobs_in_flight=jobs_in_flight,
        nights_to_advance=nights_to_advance,
    )
