"""Events as lines and as JSON objects: when, which run, what happened, who did it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from runner.cli.render import text
from runner.cli.render.option_text import flag_name, option_text
from runner.cli.render.options_object import OptionsInForce
from runner.rules.json_object import SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.event_log import LoggedEvent

_NAME_LENGTH: Final = 40
_VALUE_LENGTH: Final = 120
_TICKS: Final = "_ticks"
_IS: Final = "is_"  # before the name of what is true or false
_OPTIONS: Final = frozenset(OptionsInForce.__struct_fields__)


class EventActor(JsonObject, frozen=True, kw_only=True):
    """Who gave a command."""

    user: Annotated[str, about("of the system")]
    host: Annotated[str, about("name of the machine")]
    command: Annotated[str, about("as it was typed, without secrets and texts of requests")]


class EventObject(JsonObject, frozen=True, kw_only=True):
    """One event."""

    schema: Schema
    at: Annotated[Moment, about("when it happened")]
    kind: Annotated[str, about("what happened, as a word")]
    run: Annotated[int | None, about("id of the run; null where it belongs to none")]
    run_name: Annotated[str | None, about("name of the run or night; null where it is not known any more")]
    cause: Annotated[str, about("why, in words; may be empty")]
    actor: Annotated[EventActor | None, about("who gave the command; null where none did")]
    old: Annotated[dict[str, Any], about("what the command changed, as it was before, by name")]
    new: Annotated[dict[str, Any], about("what the command changed, as it is since, by name")]
    reason: Annotated[str | None, about("the text of --reason")]


def event_line(event: LoggedEvent, *, has_run: bool) -> str:
    """Return an event on one line; `has_run`: with its run."""
    parts = [text.timestamp(event.at_ms)]
    if has_run:
        parts.append(_run(event))
    parts.append(event.kind)
    details = [one_line(event.cause, None)] if event.cause else []
    details += change_texts(event.old, event.new)
    if event.reason:
        details.append(f'"{one_line(event.reason, None)}"')
    if event.actor is not None:
        who = f"{event.actor.user}@{event.actor.host}: {event.actor.command}"
        details.append(f"by {one_line(who, None)}")
    return "  ".join([*parts, "; ".join(details)]).rstrip()


def change_texts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what changed, one text for each name: `rpm 3,000 -> 60`, `jobs 7`."""
    found = []
    for name in dict.fromkeys((*old, *new)):
        before, after = (_value_text(name, values.get(name)) for values in (old, new))
        shown = flag_name(name) if name in _OPTIONS else name.removeprefix(_IS).removesuffix(_TICKS)
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
    name = "" if event.run_name is None else one_line(event.run_name, _NAME_LENGTH)
    if event.run_id is None:
        return name or "-"
    return f"run {event.run_id} {name}".rstrip()
