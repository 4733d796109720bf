"""All runs, as a table and as JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import layout, text, text_cells
from runner.cli.render.nights.night_listed import listed_lines
from runner.cli.render.run_name import short_name
from runner.cli.render.runs import ending_text
from runner.cli.render.runs.live_object import (
    NoWorker,
    WorkersRefused,
    no_worker_object,
    refused_commits_object,
)
from runner.rules.json_object import MONEY, SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.occasion import stem_of
from runner.rules.redact import one_line
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.render.nights.night_listed import ListedLine
    from runner.cli.snapshot import Snapshot
    from runner.db.evaluation.night_runs import NightRun

_NAME_WIDTH_MIN: Final = 14
_NAME_WIDTH_MAX: Final = 40
_NAME_WIDTH_BEFORE: Final = 2  # of the stem before an occasion
_STATE_WIDTH_MIN: Final = 9
_NO_WORKER_SHOWN: Final = 3
_HEADINGS: Final = ("run", "name", "state", "done", "of", "failed", "cost", "started")


class ListedRun(JsonObject, frozen=True, kw_only=True):
    """One run of a list."""

    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    state: Annotated[RunState, about("see docs/states.md")]
    paused_by: Annotated[PauseReason | None, about("why it is paused")]
    stem: Annotated[str, about("its name without the occasion")]
    occasion: Annotated[str | None, about("which time of its file it is")]
    total: Annotated[int, about("jobs")]
    done: Annotated[int, about("with an end, or held")]
    failed: Annotated[int, about("jobs")]
    held: Annotated[int, about("jobs")]
    spent_ticks: Annotated[int, about(MONEY)]
    created_at: Annotated[Moment, about("loaded")]
    started_at: Annotated[Moment | None, about("first start")]
    finished_at: Annotated[Moment | None, about("end")]
    input: Annotated[str, about("path of the job file")]
    output: Annotated[str | None, about("path of the results file")]
    no_worker: NoWorker
    refused_commits: WorkersRefused
    night: Annotated[str | None, about("the night of a suite that it measures")]


class RunList(JsonObject, frozen=True, kw_only=True):
    """All runs."""

    schema: Schema
    as_of: Annotated[Moment, about("when these numbers were true")]
    runs: Annotated[list[ListedRun], about("the newest first")]


def run_table(snapshots: Sequence[Snapshot], nights: Mapping[int, NightRun]) -> list[str]:
    """Return a heading and a line for each run or night; `nights`: the runs that measure nights, by id.

    Names are cut where a line would exceed 80 columns; where that is not enough, each takes two lines.
    """
    lines = listed_lines(snapshots, nights)
    rows = [_HEADINGS, *(_row(line, _name(line, _NAME_WIDTH_MAX)) for line in lines)]
    least = max((_NAME_WIDTH_MIN, *(_occasion_width(line) + _NAME_WIDTH_BEFORE for line in lines)))
    fit = layout.Fit(right=frozenset({0, 3, 4, 5, 6}), steps=((1, least), (2, _STATE_WIDTH_MIN)), fold_at=2)
    shown = layout.fitted_table(rows, fit, {1: lambda row, width: _name(lines[row - 1], width)})
    return [line for each in shown for line in each]


def no_worker_lines(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return which runs need a worker and have none, since when, and the command; [] if there is none.

    A worker of shared servers is for all runs: one line then says it.
    """
    missing = [snapshot for snapshot in snapshots if snapshot.without_worker_since_ms is not None]
    if missing and missing[0].is_engine_alive is None:
        longest = min(missing, key=lambda snapshot: snapshot.without_worker_since_ms or 0)
        return ["", *ending_text.no_worker_lines(longest)]
    lines = [
        f"run {snapshot.run.id}: no worker since"
        f" {text.recent_time(snapshot.without_worker_since_ms or 0, snapshot.as_of_ms)};"
        f" to continue: {ending_text.worker_command(snapshot)}"
        for snapshot in missing
    ]
    more = len(lines) - _NO_WORKER_SHOWN
    rest = [f"… and {text.count(more, 'other run')} without a worker"] if more > 0 else []
    return ["", *lines[:_NO_WORKER_SHOWN], *rest] if lines else []


def refused_commits_lines(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return that workers cannot work, which holds for all runs; [] where they can."""
    refused = next((snapshot for snapshot in snapshots if snapshot.refused_commits is not None), None)
    return [] if refused is None else ["", *ending_text.refused_commits_lines(refused)]


def run_object(snapshot: Snapshot, night: NightRun | None = None) -> ListedRun:
    """Return the object of `list --json` for a run; `night`: the one that it measures."""
    run = snapshot.run
    return ListedRun(
        run=run.id,
        name=run.name,
        state=run.state,
        paused_by=None if run.pause_reason is None else PauseReason(run.pause_reason),
        stem=run.stem,
        occasion=run.occasion,
        total=run.total,
        done=snapshot.done,
        failed=snapshot.jobs(JobState.FAILED),
        held=snapshot.jobs(JobState.HELD),
        spent_ticks=snapshot.spent_ticks,
        created_at=text.iso(run.created_at_ms),
        started_at=text.iso_or_none(run.started_at_ms),
        finished_at=text.iso_or_none(run.finished_at_ms),
        input=run.input_path,
        output=run.output_path,
        no_worker=no_worker_object(snapshot),
        refused_commits=refused_commits_object(snapshot),
        night=None if night is None else night.night,
    )


def list_object(snapshots: Sequence[Snapshot], now_ms: int, nights: Mapping[int, NightRun]) -> RunList:
    """Return the object of `list --json`; `nights`: the runs that measure nights, by id."""
    listed = [run_object(each, nights.get(each.run.id)) for each in snapshots]
    return RunList(schema=SCHEMA, as_of=text.iso(now_ms), runs=listed)


def _name(line: ListedLine, width: int) -> str:
    return short_name(one_line(line.name, None), line.occasion, width)


def _occasion_width(line: ListedLine) -> int:
    """Return the width of what is not cut from a name."""
    return text_cells.width(line.name[len(stem_of(line.name, line.occasion)) :]) if line.occasion else 0


def _row(line: ListedLine, name: str) -> tuple[str, ...]:
    return (
        str(line.run),
        name,
        line.state,
        f"{line.done:,}",
        f"{line.total:,}",
        f"{line.failed:,}",
        text.dollars(line.spent_ticks),
        text.listed_time(line.started_at_ms, line.as_of_ms),
    )
