"""A run at one moment: all that commands, files and `--on-end` show of it, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

from runner.db.counts import counters, run_series
from runner.db.events import events
from runner.db.jobs import chosen_jobs, examples, job_history, models_of_run
from runner.db.jobs.job_selection import JobSelection
from runner.db.runs import run_end, runs
from runner.db.session import clock_ms
from runner.db.workers import workers
from runner.rules.bucket_width import lately_since_ms
from runner.rules.costs.budget import used_ticks
from runner.rules.event_kinds import EventKind
from runner.rules.exit_codes import ExitCode, run_exit_code
from runner.rules.labels.row_status import RowStatus
from runner.rules.labels.stored_recipe import label_fields
from runner.rules.prices import prices_as_of
from runner.rules.states import JobState, PauseReason
from runner.rules.summary import RunFacts, summarize
from runner.rules.summary_object import NO_FILES, SummaryFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.jobs.job_groups import JobGroup
    from runner.db.runs.run_row import RunRow
    from runner.db.workers.workers import Heartbeats
    from runner.rules.summary_object import RunSummary
    from runner.rules.throughput import EndedLately

EXAMPLES_MAX: Final = 10
_OUTSTANDING: Final = (JobState.WAITING, JobState.COLLECTING)
_DONE: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.HELD, JobState.CANCELLED)
_HELD: Final = JobSelection(states=frozenset({JobState.HELD}))
_LOST: Final = JobSelection(states=frozenset({JobState.HELD}), lost=True)


class Part(Flag):
    """What to read beside the run, its counters and the heartbeats of workers."""

    NUMBERS = 0  # nothing more
    OLDEST = auto()  # when the oldest outstanding answer was accepted
    EXAMPLES = auto()  # a job for each of the commonest error codes, and for each flaw
    HELD = auto()  # what could be sent again, and the models that the API refuses
    EVENTS = auto()
    RECENT = auto()  # the jobs that ended lately
    OBJECT = OLDEST | EXAMPLES  # of the JSON object of a run
    ENDING = OBJECT | HELD  # what a command prints of a run that it leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldJobs:
    """Held jobs in groups, as `chosen_jobs.matching_groups` returns them; the lost ones are part of the held.

    `refused_models`: those that the API refused, also to pending jobs of a run that is paused for it.
    """

    lost: Sequence[JobGroup] = ()
    held: Sequence[JobGroup] = ()
    refused_models: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """One run at `as_of_ms`, the database's clock; a part that was not asked for is empty.

    `last_started_ms`: when a command last started the run. `oldest_out_ms`: when the oldest outstanding
    answer was accepted. `examples`: a custom_id for each error code or flaw. `has_new_budget`: its budget
    has paused the run, and a command has set another since, or none.
    """

    as_of_ms: int
    run: RunRow
    counts: Mapping[tuple[str, str], int]
    heartbeats: Heartbeats
    last_started_ms: int | None = None
    oldest_out_ms: int | None = None
    examples: Mapping[str, str] = field(default_factory=dict)
    held: HeldJobs = field(default_factory=HeldJobs)
    events: Sequence[Row[Any]] = ()
    ended_lately: EndedLately | None = None
    has_new_budget: bool = False

    @property
    def done(self) -> int:
        """Return the number of jobs that have ended or are held."""
        return sum(self.counts.get(("state", state), 0) for state in _DONE)

    @property
    def used_ticks(self) -> int:
        """Return the ticks that count against a budget: spent, or possibly spent."""
        return used_ticks({key: n for (kind, key), n in self.counts.items() if kind == "ticks"})

    @property
    def is_budget_raised(self) -> bool:
        """Return whether another budget was set since the run was paused by one, and is not used up."""
        budget_ticks = self.run.options.budget_ticks
        return self.has_new_budget and (budget_ticks is None or self.used_ticks < budget_ticks)

    @property
    def has_stopped(self) -> bool:
        """Return whether nothing more will happen to the run without a user."""
        return run_end.has_stopped(self.run, self.counts)

    @property
    def needs_worker(self) -> bool:
        """Return whether workers have to do something for the run."""
        return run_end.needs_worker(self.run, self.counts)

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of a command that waited for the run to stop."""
        states = counters.jobs_by_state(self.counts)
        left_out = states[JobState.CANCELLED] + self.counts.get(("rows", RowStatus.SKIPPED.value), 0)
        return run_exit_code(
            self.run.state,
            self.run.pause_reason,
            failed=states[JobState.FAILED],
            held=states[JobState.HELD],
            left_out=0 if self.run.recipe is None else left_out,
        )

    def summary(
        self, files: SummaryFiles = NO_FILES, rows: Mapping[RowStatus, int] | None = None
    ) -> RunSummary:
        """Return the summary of the run; `files` is its part about written files.

        `rows` are those of its labeled table by status, where it was written just now.
        """
        run = self.run
        facts = RunFacts(
            id=run.id,
            name=run.name,
            state=run.state,
            paused_by=None if run.pause_reason is None else PauseReason(run.pause_reason),
            started_at_s=_seconds(run.started_at_ms),
            finished_at_s=_seconds(run.finished_at_ms),
            prices_as_of=prices_as_of,
            files=files,
            budget_ticks=run.options.budget_ticks,
            examples=self.examples,
            has_labels=run.recipe is not None,
            fields=label_fields(run.recipe) if run.recipe is not None else (),
            rows=rows,
        )
        return summarize(facts, self.counts)


def read(connection: Connection, run_id: int, parts: Part) -> RunSnapshot | None:
    """Return a run as the transaction of `connection` sees it; None if there is none."""
    run = runs.find(connection, run_id)
    return None if run is None else read_run(connection, run, parts)


def read_run(connection: Connection, run: RunRow, parts: Part) -> RunSnapshot:
    """Return the rest of a run whose row was read in the same transaction."""
    now_ms = clock_ms(connection)
    return _read(connection, run, now_ms, workers.heartbeats(connection, now_ms), parts)


def read_all(connection: Connection, now_ms: int) -> list[RunSnapshot]:
    """Return the numbers of every run, newest first; `now_ms`: the database's clock."""
    heartbeats = workers.heartbeats(connection, now_ms)
    return [_read(connection, run, now_ms, heartbeats, Part.NUMBERS) for run in runs.all_runs(connection)]


def _read(
    connection: Connection, run: RunRow, now_ms: int, heartbeats: Heartbeats, parts: Part
) -> RunSnapshot:
    counts = counters.read(connection, run.id)
    states = counters.jobs_by_state(counts)
    has_outstanding = any(states[state] for state in _OUTSTANDING)
    last_started_ms = _last_started_ms(connection, run, counts)
    has_held = states[JobState.HELD] > 0 or run.pause_reason == PauseReason.MODEL
    return RunSnapshot(
        as_of_ms=now_ms,
        run=run,
        counts=counts,
        heartbeats=heartbeats,
        last_started_ms=last_started_ms,
        oldest_out_ms=job_history.oldest_in_flight_ms(connection, run.id)
        if Part.OLDEST in parts and has_outstanding
        else None,
        examples=_examples(connection, run, counts) if Part.EXAMPLES in parts else {},
        held=_held(connection, run.id) if Part.HELD in parts and has_held else HeldJobs(),
        events=events.of_run(connection, run.id) if Part.EVENTS in parts else (),
        ended_lately=_ended_lately(connection, run, now_ms, last_started_ms, parts),
        has_new_budget=run.pause_reason == PauseReason.BUDGET
        and "budget_ticks" in events.set_since_pause(connection, run.id),
    )


def _last_started_ms(
    connection: Connection, run: RunRow, counts: Mapping[tuple[str, str], int]
) -> int | None:
    return (
        events.last_ms(connection, run.id, EventKind.STARTED) if run_end.needs_worker(run, counts) else None
    )


def _ended_lately(
    connection: Connection, run: RunRow, now_ms: int, last_started_ms: int | None, parts: Part
) -> EndedLately | None:
    if Part.RECENT not in parts or run.started_at_ms is None or last_started_ms is None:
        return None
    since_ms = lately_since_ms(now_ms, run.started_at_ms, last_started_ms)
    return run_series.ended_since(connection, run.id, since_ms)


def _held(connection: Connection, run_id: int) -> HeldJobs:
    return HeldJobs(
        lost=chosen_jobs.matching_groups(connection, run_id, _LOST),
        held=chosen_jobs.matching_groups(connection, run_id, _HELD),
        refused_models=models_of_run.refused(connection, run_id, of_pending=True),
    )


def _examples(connection: Connection, run: RunRow, counts: Mapping[tuple[str, str], int]) -> dict[str, str]:
    """Return the custom_id of one job for each of the commonest error codes and for each flaw.

    Of a run with labels also for the codes of held jobs: its rows are explained whatever their status is.
    """
    by_code = {key: n for (kind, key), n in counts.items() if kind == "code" and n}
    codes = sorted(by_code, key=lambda code: (-by_code[code], code))[:EXAMPLES_MAX]
    flaws = sorted(key for (kind, key), n in counts.items() if kind == "flaw" and n)
    found = examples.of_codes(connection, run.id, codes) | examples.of_flaws(connection, run.id, flaws)
    if run.recipe is None or not counts.get(("state", JobState.HELD)):
        return found
    return found | examples.of_held(connection, run.id, EXAMPLES_MAX)


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
