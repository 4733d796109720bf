"""Events as lines and as JSON objects: when, which run, what happened, who did it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from runner.cli.render import layout, text, text_cells
from runner.cli.render.folded_text import folded
from runner.cli.render.runs.option_text import flag_name, option_text
from runner.cli.render.runs.options_object import OptionsInForce
from runner.rules.event_kinds import EventKind
from runner.rules.json_object import SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.events.event_log import LoggedEvent
    from runner.db.events.trail import Actor

_NAME_WIDTH: Final = 30  # so that a line fits with time, id and kind
_LINES_MAX: Final = 1_000  # of one detail
_VALUE_LENGTH: Final = 120
_TICKS: Final = "_ticks"
_IS: Final = "is_"  # before the name of what is true or false
_OPTIONS: Final = frozenset(OptionsInForce.__struct_fields__)


class EventActor(JsonObject, frozen=True, kw_only=True):
    """Who gave a command, or the host whose settings a worker started with."""

    user: Annotated[str, about("of the system")]
    host: Annotated[str, about("name of the machine, or its id as `workers` shows it")]
    command: Annotated[
        str, about("as it was typed, without secrets and texts of requests; empty for settings")
    ]


class EventObject(JsonObject, frozen=True, kw_only=True):
    """One event."""

    schema: Schema
    at: Annotated[Moment, about("when it happened")]
    kind: Annotated[str, about("what happened, as a word")]
    run: Annotated[int | None, about("id of the run; null where it belongs to none")]
    run_name: Annotated[str | None, about("name of the run or night; null where it is not known any more")]
    cause: Annotated[str, about("why, in words; may be empty")]
    actor: Annotated[EventActor | None, about("who gave the command, or had the settings; else null")]
    old: Annotated[dict[str, Any], about("what the command changed, as it was before, by name")]
    new: Annotated[dict[str, Any], about("what the command changed, as it is since, by name")]
    reason: Annotated[str | None, about("the text of --reason")]


def event_lines(event: LoggedEvent, *, has_run: bool) -> list[str]:
    """Return an event on one line, or where that has more than 80 columns its details on lines below.

    `has_run`: with its run. Nothing of the details is cut.
    """
    head = "  ".join([text.timestamp(event.at_ms), *([_run(event)] if has_run else []), event.kind])
    details = _details(event)
    line = f"{head}  {'; '.join(details)}".rstrip()
    if text_cells.width(line) <= layout.WIDTH:
        return [line]
    below = [part for detail in details for part in folded(detail, layout.WIDTH - 2, _LINES_MAX)]
    return [head, *layout.indented(below)]


def _details(event: LoggedEvent) -> list[str]:
    """Return the cause, what changed, the reason and who did it, those that there are."""
    has_more = event.kind == EventKind.PAUSED and event.actor is not None  # the lines below say it, too
    cause = "" if has_more else event.cause
    who = None if event.actor is None else _who(event.actor)
    return [
        *([one_line(cause, None)] if cause else []),
        *(["; ".join(change_texts(event.old, event.new))] if event.old or event.new else []),
        *([f'"{one_line(event.reason, None)}"'] if event.reason else []),
        *([f"by {one_line(who, None)}"] if who is not None else []),
    ]


def _who(actor: Actor) -> str:
    by = f"{actor.user}@{actor.host}"
    return f"{by}: {actor.command}" if actor.command else by


def change_texts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what changed, one text for each name: `rpm 3,000 -> 60`, `jobs 7`."""
    found = []
    for name in dict.fromkeys((*old, *new)):
        before, after = (_value_text(name, values.get(name)) for values in (old, new))
        shown = (
            flag_name(name)
            if name in _OPTIONS
            else name.removeprefix(_IS).removesuffix(_TICKS).replace("_", " ")
        )
        then = f"{before} -> {after}" if name in old and name in new else before if name in old else after
        found.append(f"{shown} {then}")
    return found


def event_object(event: LoggedEvent) -> EventObject:
    """Return the object of an event."""
    actor = event.actor
    return EventObject(
        schema=SCHEMA,
        at=text.iso(event.at_ms),
        kind=event.kind,
        run=event.run_id,
        run_name=event.run_name,
        cause=event.cause,
        actor=None if actor is None else EventActor(user=actor.user, host=actor.host, command=actor.command),
        old=dict(event.old),
        new=dict(event.new),
        reason=event.reason,
    )


def _value_text(name: str, value: object) -> str:
    """Return the value of an option, of a state or of a count; what is in ticks by its name is in dollars."""
    if name in _OPTIONS:
        return option_text(name, value)
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return text.dollars(value) if name.endswith(_TICKS) else f"{value:,}"
    if isinstance(value, list):
        return ", ".join(one_line(str(item), _VALUE_LENGTH) for item in value)
    return one_line(str(value), _VALUE_LENGTH)


def _run(event: LoggedEvent) -> str:
    name = "" if event.run_name is None else text_cells.cut(one_line(event.run_name, None), _NAME_WIDTH)
    if event.run_id is None:
        return name or "-"
    return f"run {event.run_id} {name}".rstrip()
