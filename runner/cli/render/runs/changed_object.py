"""What `set` changed, of a run or of a team, as JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from runner.cli.render.runs.options_object import OptionsInForce, options_object
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.redact import redact
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.runs.run_row import RunRow
    from runner.db.runs.stored_options import OptionsChange

OptionValue = int | str | list[str] | None


class ChangedOption(JsonObject, frozen=True, kw_only=True):
    """An option that has another value."""

    name: Annotated[str, about("its key in `options`")]
    old: Annotated[OptionValue, about("before")]
    new: Annotated[OptionValue, about("now")]


class ChangedRun(JsonObject, frozen=True, kw_only=True):
    """What `set` changed of a run."""

    schema: Schema
    run: Annotated[int, about("its id")]
    name: Annotated[str, about("its name")]
    state: Annotated[RunState, about("see docs/states.md")]
    paused_by: Annotated[PauseReason | None, about("why it is paused")]
    done: Annotated[bool, about("false with --dry-run: nothing was changed")]
    changed: Annotated[list[ChangedOption], about("options with another value")]
    unchanged: Annotated[list[str], about("named options that had the value already")]
    options: Annotated[OptionsInForce, about("all options in force; with --dry-run those from before")]
    night: Annotated[
        str | None, about("the night that keeps them for its further runs; null where the run measures none")
    ]


class ChangedTeam(JsonObject, frozen=True, kw_only=True):
    """What `set --team` changed of the limits of a team."""

    schema: Schema
    done: Annotated[bool, about("false with --dry-run: nothing was changed")]
    changed: Annotated[list[ChangedOption], about("limits with another value; null is not set, 0 is none")]
    unchanged: Annotated[list[str], about("named limits that had the value already")]


def changed_run(
    run: RunRow, change: OptionsChange, named: Sequence[str], *, done: bool, night: str | None
) -> ChangedRun:
    """Return what was changed, or with `done` False would be; `named`: the options that were named.

    `night`: the name of the night that keeps them as well.
    """
    return ChangedRun(
        schema=SCHEMA,
        run=run.id,
        name=run.name,
        state=run.state,
        paused_by=None if run.pause_reason is None else PauseReason(run.pause_reason),
        done=done,
        changed=_changed(change),
        unchanged=[name for name in named if name not in change.new],
        options=options_object(run.options),
        night=night,
    )


def changed_team(change: OptionsChange, named: Sequence[str], *, done: bool) -> ChangedTeam:
    """Return what was changed of a team's limits, or with `done` False would be."""
    return ChangedTeam(
        schema=SCHEMA,
        done=done,
        changed=_changed(change),
        unchanged=[name for name in named if name not in change.new],
    )


def _changed(change: OptionsChange) -> list[ChangedOption]:
    return [
        ChangedOption(name=name, old=_plain(change.old[name]), new=_plain(value))
        for name, value in change.new.items()
    ]


def _plain(value: Any) -> OptionValue:
    if isinstance(value, tuple):
        return list(value)
    return redact(value, ()) if isinstance(value, str) else value
