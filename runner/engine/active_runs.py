"""The runs at work as a worker last read them: their options and their job counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.db import counters, runs
from runner.rules.states import FINAL, JobState, RunState

if TYPE_CHECKING:
    from runner.db.runs import RunRow
    from runner.db.session import Database

SUBMITTING_STATES = (RunState.RUNNING, RunState.WAITING)  # a waiting run probes
LONG_RUN_JOBS = 1_000  # more than end between two refreshes


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
    def can_submit(self) -> bool:
        """Return whether jobs of the run may be submitted now."""
        out = sum(self.states[s] for s in (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING))
        return (
            self.run.state in SUBMITTING_STATES
            and self.states[JobState.PENDING] > 0
            and out < self.run.options.max_waiting
        )


def read(database: Database) -> list[ActiveRun]:
    """Return the runs at work, read in one snapshot."""
    with database.read() as connection:
        return [
            ActiveRun(run=run, counts=counters.read(connection, run.id))
            for run in runs.active_runs(connection)
        ]
