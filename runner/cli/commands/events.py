"""`runner events [RUN]`: what happened, who did it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.fleet.event_lines import event_lines, event_object
from runner.cli.session.context import existing_database, find_events_of, find_night_name, read_settings
from runner.cli.session.following.follow_events import EventFollower, read_events
from runner.cli.session.following.stop_signal import StopSignal
from runner.cli.streams import has_reader
from runner.db.events.event_log import EventFilter
from runner.db.session import clock_ms
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EVENT_MEANING, EventKind, made_by, near_kind
from runner.rules.exit_codes import ExitCode
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.events.event_log import LoggedEvent

_ROWS: Final = 100
_ROWS_MAX: Final = 100_000

_KINDS: Final = {
    maker: ", ".join(kind for kind in EventKind if maker in made_by(kind)) for maker in ("command", "worker")
}
_HELP: Final = f"""\
Show what happened to RUN (an id or a name), or to all runs: the newest --limit events, the newest last.

An event has its time, what happened and why. Where a command did it, also who gave the command on which
machine, what it changed from what to what, and the text of --reason. A run that was removed is found by
its name or id. The name of a night, SUITE@DATE, stands for the run that measures it now, and for what
commands did to the night.

--follow also shows events as they come, until Ctrl-C, or until RUN has ended or is paused. --json prints
one object per line.

Kinds of commands: {_KINDS["command"]}.

Kinds of workers: {_KINDS["worker"]}.

\b
Example, who paused what today; and a log of everything:
  runner events --kind paused --since 24h
  runner events --follow --json >> events.jsonl
"""


class _Kind(click.ParamType[EventKind]):
    """A kind of event."""

    name = "kind"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> EventKind:
        """Return the kind. Raises UsageError for a word that is none, with the one that it resembles."""
        if value in set(EventKind):
            return EventKind(value)
        near = near_kind(value)
        meant = "" if near is None else f'; did you mean "{near}"?'
        raise UsageError(
            f'there is no kind of event "{plain(value)}"{meant}', fix="runner events --help lists the kinds"
        )


def _complete_kinds(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the kinds that begin with `incomplete`, with what they mean."""
    return [
        CompletionItem(kind, help=meaning)
        for kind, meaning in EVENT_MEANING.items()
        if kind.startswith(incomplete)
    ]


@click.command("events", short_help="Show what happened to runs, who did it, and why.", help=_HELP)
@flags.maybe_run_argument
@click.option("--follow", is_flag=True, help="Also show events as they come.")
@click.option(
    "--since", type=value_types.Duration(), metavar="TIME", help="Only events of the last TIME (90s, 2h, 7d)."
)
@click.option(
    "--kind",
    "kinds",
    type=_Kind(),
    multiple=True,
    metavar="KIND",
    shell_complete=_complete_kinds,
    help="Only events of this kind, one of those above; can be given several times.",
)
@click.option(
    "--limit",
    "rows_max",
    type=value_types.Count(1, _ROWS_MAX),
    default=_ROWS,
    show_default=True,
    metavar="N",
    help="At most the newest N events.",
)
@flags.json_flag
def command(
    run: str | None,
    *,
    follow: bool,
    since: float | None,
    kinds: tuple[EventKind, ...],
    rows_max: int,
    as_json: bool,
) -> int:
    """Show what happened to RUN (an id or a name), or to all runs."""
    with existing_database(read_settings()) as database:
        with database.read() as connection:
            wanted = EventFilter(
                run_id=None if run is None else find_events_of(connection, run),
                night=None if run is None else find_night_name(connection, run),
                kinds=kinds,
                since_ms=None if since is None else clock_ms(connection) - int(since * 1000),
            )
            found = [] if follow else read_events(connection, wanted, rows_max)
        print_event = _printer(wanted, as_json=as_json)
        if follow:
            with StopSignal() as stop:
                return EventFollower(
                    database=database,
                    wanted=wanted,
                    rows_max=rows_max,
                    stop=stop,
                    print_event=print_event,
                    print_line=print_note,
                    has_reader=has_reader,
                ).follow()
    for event in found:
        print_event(event)
    if not found and not as_json:
        print_note("there are no such events")
    return ExitCode.OK


def _printer(wanted: EventFilter, *, as_json: bool) -> Callable[[LoggedEvent], None]:
    """Return what prints an event; the reader of a pipe gets it at once: `has_reader` flushes stdout."""
    if as_json:
        return lambda event: print_json(event_object(event))
    return lambda event: print_escaped("\n".join(event_lines(event, has_run=wanted.run_id is None)))
