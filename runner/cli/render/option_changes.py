"""The options of a run, and changes of them: as text, and as JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from runner.cli.render import text
from runner.rules.json_object import MONEY, SCHEMA, JsonObject, Schema, about
from runner.rules.redact import one_line, redact
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.runs import RunOptions, RunRow
    from runner.db.stored_options import OptionsChange

_COMMAND_LENGTH: Final = 60
_FLAGS: Final = {"budget_ticks": "budget"}  # other options are named as their flags, with _ for -
_RATES: Final = frozenset({"rpm", "tpm"})

_OWN_RATE: Final = "a minute, of this run alone; null where none was set, 0 is none"
OptionValue = int | str | list[str] | None


class OptionsInForce(JsonObject, frozen=True, kw_only=True):
    """What flags and `set` said of a run. It stays until a command names it again."""

    rpm: Annotated[int | None, about(f"requests {_OWN_RATE}")]
    tpm: Annotated[int | None, about(f"tokens {_OWN_RATE}")]
    budget_ticks: Annotated[int | None, about(f"the most it may spend, {MONEY}; null is no budget")]
    limit: Annotated[int | None, about("only so many jobs, from the first on; null is all")]
    max_waiting: Annotated[int, about("requests that may wait for their answers at the same time")]
    max_attempts: Annotated[int, about("attempts of a job before it fails")]
    max_failures: Annotated[int | None, about("failed jobs that pause it; null is no such bound")]
    fail_on: Annotated[list[str], about("flaws of an answer that fail its job")]
    on_ambiguous: Annotated[str, about("what follows an unknown outcome: resubmit or hold")]
    on_end: Annotated[str | None, about("command to call at its end, without secrets")]


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


def changed_team(change: OptionsChange, named: Sequence[str], *, done: bool) -> ChangedTeam:
    """Return what was changed of a team's limits, or with `done` False would be."""
    return ChangedTeam(
        schema=SCHEMA,
        done=done,
        changed=_changed(change),
        unchanged=[name for name in named if name not in change.new],
    )


def options_object(options: RunOptions) -> OptionsInForce:
    """Return the options of a run; secrets in its command are hidden."""
    return OptionsInForce(
        rpm=options.rpm,
        tpm=options.tpm,
        budget_ticks=options.budget_ticks,
        limit=options.limit,
        max_waiting=options.max_waiting,
        max_attempts=options.max_attempts,
        max_failures=options.max_failures,
        fail_on=list(options.fail_on),
        on_ambiguous=options.on_ambiguous,
        on_end=None if options.on_end is None else redact(options.on_end, ()),
    )


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


def change_lines(change: OptionsChange, named: Mapping[str, Any]) -> list[str]:
    """Return a line for each named option: its old and new value, or that it had the value already."""
    return [
        _change_text(name, change.old[name], value)
        if name in change.new
        else f"{flag_name(name)} {option_text(name, value)} (unchanged)"
        for name, value in named.items()
    ]


def flag_name(option: str) -> str:
    """Return the flag of an option, without its dashes."""
    return _FLAGS.get(option, option).replace("_", "-")


def option_text(name: str, value: Any) -> str:
    """Return the value of an option as text."""
    if value is None or value in ((), [], ""):
        return "not set" if name in _RATES else "none"
    if isinstance(value, (tuple, list)):
        return ",".join(value)
    if isinstance(value, str):
        return one_line(redact(value, ()), _COMMAND_LENGTH)
    if name in _RATES and not value:
        return "none"
    return text.dollars(value) if name == "budget_ticks" else f"{value:,}"


def _change_text(name: str, old: Any, new: Any) -> str:
    """Return an option with its old and its new value: `rpm 3,000 -> 60`."""
    return f"{flag_name(name)} {option_text(name, old)} -> {option_text(name, new)}"


def _changed(change: OptionsChange) -> list[ChangedOption]:
    return [
        ChangedOption(name=name, old=_plain(change.old[name]), new=_plain(value))
        for name, value in change.new.items()
    ]


def _plain(value: Any) -> OptionValue:
    if isinstance(value, tuple):
        return list(value)
    return redact(value, ()) if isinstance(value, str) else value
