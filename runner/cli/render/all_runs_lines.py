"""What a command for all runs changed, and which runs it left, as lines and as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render.ending_text import resume_command
from runner.rules.counted import count, listed
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.redact import one_line
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.runs import RunRow

_NAMED_MAX: Final = 5
_NAME_LENGTH: Final = 40
_REASON_LENGTH: Final = 120


class AffectedRun(JsonObject, frozen=True, kw_only=True):
    """A run that was paused or resumed."""

    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]


class LeftRun(JsonObject, frozen=True, kw_only=True):
    """A run that stays paused."""

    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    paused_by: Annotated[PauseReason, about("why it is paused")]
    command: Annotated[str, about("what continues it")]


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


def left_lines(runs: Sequence[RunRow]) -> list[str]:
    """Return why runs stay paused, and what continues each."""
    return [
        f"run {run.id} stays paused ({run.pause_reason}):"
        f" {one_line(run.pause_text or '', _REASON_LENGTH)}; {resume_command(run)}"
        for run in runs
    ]


def affected_runs_object(changed: Sequence[RunRow], left: Sequence[RunRow]) -> AffectedRuns:
    """Return the object of `pause --all --json` and `resume --all --json`."""
    return AffectedRuns(schema=SCHEMA, runs=_affected(changed), left=_left(left))


def planned_runs_object(would: str, chosen: Sequence[RunRow], left: Sequence[RunRow]) -> PlannedRuns:
    """Return the object of the same with --dry-run. `would`: in words, what would be done."""
    return PlannedRuns(schema=SCHEMA, would=would, runs=_affected(chosen), left=_left(left))


def _affected(changed: Sequence[RunRow]) -> list[AffectedRun]:
    return [AffectedRun(run=run.id, name=run.name) for run in changed]


def _left(runs: Sequence[RunRow]) -> list[LeftRun]:
    return [
        LeftRun(
            run=run.id,
            name=run.name,
            paused_by=PauseReason(run.pause_reason or ""),
            command=resume_command(run),
        )
        for run in runs
    ]
