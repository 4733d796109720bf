"""What there is to do, as far as the engine must know: for its number of workers, and for its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db import counters, runs
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from runner.db.session import Database

_SENDING = (RunState.RUNNING, RunState.WAITING)  # the others only fetch what is out
_OUT = (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Runs at work, their jobs to send, and jobs of any run that are out."""

    runs: int
    to_send: int
    out: int

    @property
    def is_any(self) -> bool:
        """Say whether somebody must stay to do it."""
        return self.runs > 0 or self.out > 0


def look(database: Database) -> Workload:
    """Count what there is to do, from the counters."""
    at_work = to_send = out = 0
    with database.read() as connection:
        for run in runs.at_work(connection):
            states = counters.states(counters.read(connection, run.id))
            out += sum(states[state] for state in _OUT)
            if run.state in _SENDING:
                at_work += 1
                to_send += states[JobState.PENDING]
    return Workload(runs=at_work, to_send=to_send, out=out)
