"""The numbers of a run at one moment: what `run`, `watch` and `status` all show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.cli import text
from runner.cli.crew import Crew
from runner.db import counters, runs, stories
from runner.output.claim import files_written, mark_of
from runner.output.files import paths
from runner.output.write import run_summary
from runner.rules.budget import used_ticks
from runner.rules.errors import Bug
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.runs import RunRow
    from runner.db.session import Database
    from runner.limiter.look import Use

KEPT_AT_XAI_MS: Final = 24 * 3600 * 1000  # a result can be fetched within 24 hours
PROJECTED_FROM_JOBS: Final = 10
_DONE: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.HELD, JobState.CANCELLED)
_OUT: Final = (JobState.WAITING, JobState.COLLECTING)
_MOVING: Final = (*_OUT, JobState.SUBMITTING, JobState.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run and its counters, read in one transaction; `use` and `oldest_out_ms` where somebody looked.

    `use`: how much of a limit is in use. `oldest_out_ms`: when the oldest answer that is out was accepted.
    """

    as_of_ms: int
    run: RunRow
    counts: Mapping[tuple[str, str], int]
    use: Use | None = None
    oldest_out_ms: int | None = None

    def jobs(self, *states: JobState) -> int:
        """Count the jobs in these states."""
        return sum(self.counts.get(("state", state), 0) for state in states)

    def n(self, kind: str, *keys: str) -> int:
        """Add up some counters of one kind."""
        return sum(self.counts.get((kind, key), 0) for key in keys)

    @property
    def done(self) -> int:
        """Jobs that have their end, or are held for a person."""
        return self.jobs(*_DONE)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run was first set to work, until its end."""
        until_ms = self.run.finished_at_ms or self.as_of_ms
        return (until_ms - (self.run.started_at_ms or until_ms)) / 1000

    @property
    def out(self) -> int:
        """Answers that wait at xAI."""
        return self.jobs(*_OUT)

    @property
    def moving(self) -> int:
        """Jobs that are on their way: sent, waiting, being fetched or judged."""
        return self.jobs(*_MOVING)

    @property
    def spent_ticks(self) -> int:
        """Money known to be spent."""
        return self.n("ticks", "reported", "estimated")

    @property
    def used_ticks(self) -> int:
        """Money that counts against a budget: spent, or possibly so."""
        return used_ticks({key: n for (kind, key), n in self.counts.items() if kind == "ticks"})

    @property
    def later(self) -> int:
        """Requests that were told to come later: 429 and 503."""
        return self.n("attempts", "refused_for_now")

    @property
    def projected_ticks(self) -> int | None:
        """What the whole run may cost, by what the ended jobs cost; None before that means something."""
        ended = self.jobs(JobState.SUCCEEDED, JobState.FAILED)
        if ended < PROJECTED_FROM_JOBS:
            return None
        left = self.run.total - ended - self.jobs(JobState.CANCELLED, JobState.HELD)
        so_far = self.spent_ticks if self.run.options.budget_ticks is None else self.used_ticks
        return so_far + self.spent_ticks * left // ended

    @property
    def extras(self) -> int:
        """Attempts beyond those that gave the jobs their end."""
        return sum(n for (kind, _), n in self.counts.items() if kind == "extra")


def read(database: Database, run_id: int) -> Snapshot:
    """Read a run's numbers now."""
    with database.read() as connection:
        return of_run(connection, run_id, database.now_ms())


def of_run(connection: Connection, run_id: int, now_ms: int) -> Snapshot:
    """Read a run's numbers on a connection."""
    run = runs.find(connection, run_id)
    if run is None:
        raise Bug(f"run {run_id} is gone")
    return Snapshot(as_of_ms=now_ms, run=run, counts=counters.read(connection, run_id))


def out_until_ms(database: Database, run_id: int) -> int | None:
    """Return until when the oldest answer that is out can be fetched; None when none is out."""
    accepted_ms = oldest_out_ms(database, run_id)
    return None if accepted_ms is None else accepted_ms + KEPT_AT_XAI_MS


def summary(database: Database, seen: Snapshot) -> dict[str, Any]:
    """Make the run's summary; its `files` are those on disk, where this run wrote them."""
    files: Mapping[str, Any] = {}
    if seen.run.output_path:
        files = files_written(paths(Path(seen.run.output_path)), mark_of(seen.run))
    with database.read() as connection:
        return run_summary(connection, seen.run, seen.counts, files)


def oldest_out_ms(database: Database, run_id: int) -> int | None:
    """Return when the oldest answer that is out was accepted; None when none is out."""
    with database.read() as connection:
        return stories.oldest_out_ms(connection, run_id)


def live(database: Database, seen: Snapshot, eta_s: tuple[int, int] | None = None) -> dict[str, Any]:
    """Make the object that `status` and `watch` print: the summary, and how things stand right now."""
    with database.read() as connection:
        told = run_summary(connection, seen.run, seen.counts, {})
    del told["files"]
    until_ms = out_until_ms(database, seen.run.id) if seen.out else None
    return {
        **told,
        "as_of": text.iso(seen.as_of_ms),
        "reason": seen.run.pause_text,
        "states": {str(state): seen.jobs(state) for state in JobState},
        "done": seen.done,
        "out": {"answers": seen.out, "until": text.iso(until_ms)},
        "projected_ticks": seen.projected_ticks,
        "eta_s": None if eta_s is None else {"low": eta_s[0], "high": eta_s[1]},
        "workers": None if database.is_sqlite else Crew(database).alive(),
        "limit": _limit(seen.use) if seen.use is not None else None,
    }


def _limit(use: Use) -> dict[str, Any]:
    """Tell what the busiest bucket used within the last minute, and what it may use; null is no limit."""
    view = use.view
    return {
        "model": use.model,
        "requests": view.requests,
        "requests_max": view.rpm,
        "tokens": view.tokens,
        "tokens_max": view.tpm,
        "paused_s": round(view.paused_s, 1),
    }
