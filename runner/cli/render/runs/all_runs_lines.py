"""What a command for all runs changed, and which runs it left, as lines and as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render.runs.ending_text import pause_cause, resume_command
from runner.rules.counted import count, listed
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.redact import one_line
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.runs.run_row import RunRow
    from runner.db.runs.run_snapshot import RunSnapshot

_NAMED_MAX: Final = 5
_NAME_LENGTH: Final = 40
_REASON_LENGTH: Final = 120


class AffectedRun(JsonObject, frozen=True, kw_only=True):
    """A run that was paused or resumed."""

    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    reason: Annotated[
        str | None, about("who paused it, when and why; before it is paused why it waits, else null")
    ]


class LeftRun(JsonObject, frozen=True, kw_only=True):
    """A run that stays paused."""

    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    paused_by: Annotated[PauseReason, about("why it is paused")]
    command: Annotated[str, about("what continues it")]
    reason: Annotated[str | None, about("why it is paused, in words")]


class AffectedRuns(JsonObject, frozen=True, kw_only=True):
    """What a command for all runs did."""

    schema: Schema
    runs: Annotated[list[AffectedRun], about("paused or resumed, the oldest first")]
    left: Annotated[list[LeftRun], about("paused for another reason than by the user: resume leaves them")]


class PlannedRuns(JsonObject, frozen=True, kw_only=True):
    """What --dry-run of a command for all runs found."""

    schema: Schema
    would: Annotated[str, about("what would be done")]
    runs: Annotated[list[AffectedRun], about("would be paused or resumed, the oldest first")]
    left: Annotated[list[LeftRun], about("paused for another reason than by the user: resume leaves them")]


def named_runs(runs: Sequence[RunRow]) -> str:
    """Return how many runs there are, and the first of them: `2 runs (1 reviews, 7 labels)`."""
    names = [f"{run.id} {one_line(run.name, _NAME_LENGTH)}" for run in runs]
    return count(len(runs), "run") + (f" ({listed(names, _NAMED_MAX)})" if names else "")


def paused_lines(runs: Sequence[RunRow]) -> list[str]:
    """Return of each paused run who paused it, when and why."""
    return [f"run {run.id}: {one_line(run.pause_text or 'paused', _REASON_LENGTH)}" for run in runs]


def left_lines(left: Sequence[RunSnapshot]) -> list[str]:
    """Return why runs stay paused, and what continues each."""
    return [
        f"run {stored.run.id} stays paused ({stored.run.pause_reason}):"
        f" {pause_cause(stored, _REASON_LENGTH)}; {resume_command(stored)}"
        for stored in left
    ]


def affected_runs_object(changed: Sequence[RunRow], left: Sequence[RunSnapshot]) -> AffectedRuns:
    """Return the object of `pause --all --json` and `resume --all --json`."""
    return AffectedRuns(schema=SCHEMA, runs=_affected(changed), left=_left(left))


def planned_runs_object(would: str, chosen: Sequence[RunRow], left: Sequence[RunSnapshot]) -> PlannedRuns:
    """Return the object of the same with --dry-run. `would`: in words, what would be done."""
    return PlannedRuns(schema=SCHEMA, would=would, runs=_affected(chosen), left=_left(left))


def _affected(changed: Sequence[RunRow]) -> list[AffectedRun]:
    return [AffectedRun(run=run.id, name=run.name, reason=run.pause_text) for run in changed]


def _left(left: Sequence[RunSnapshot]) -> list[LeftRun]:
    return [
        LeftRun(
            run=stored.run.id,
            name=stored.run.name,
            paused_by=PauseReason(stored.run.pause_reason or ""),
            command=resume_command(stored),
            reason=stored.run.pause_text,
        )
        for stored in left
    ]
