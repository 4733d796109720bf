"""`runner baseline SUITE`: what nights are compared with: show it, accept a night, pin one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.nights.night_baseline import baseline_lines, baseline_object
from runner.cli.session.actor import read_actor
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.nights.find_night import find_night, need_suite
from runner.db.events import trail
from runner.db.runs.stored_options import OptionsChange
from runner.rules.errors import UsageError
from runner.rules.evaluation.gate.pool import POOL_MOST
from runner.rules.event_kinds import EventKind
from runner.rules.occasion import is_occasion
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor

_HELP: Final = """\
Show or change what the nights of SUITE (its name) are compared with.

\b
  show          the pool of accepted nights, pinned nights, and what is left out (the default)
  accept NIGHT  let later nights be compared with a night that has regressed
  pin NIGHT     keep a night under a name, for gates with baseline = "pinned:NAME"
  unpin NIGHT   forget its name

NIGHT is an occasion or SUITE@OCCASION, as `runner history SUITE` shows them; for unpin also the name that
it is pinned as. Nights that did not regress are accepted by themselves; one that
was not measured enough cannot be accepted. A verdict that was given stays.

\b
Example, after a change that was meant:
  runner baseline answers accept 2026-12-01
  runner baseline answers pin 2026-12-01 --as spring
"""


@click.command("baseline", short_help="Accept or pin nights that later ones are compared with.", help=_HELP)
@click.argument("suite")
@click.argument("action", type=click.Choice(("show", "accept", "pin", "unpin")), default="show")
@click.argument("night", required=False)
@click.option("--as", "name", metavar="NAME", help="With pin: the name.  [default: the occasion]")
@flags.json_flag
@flags.quiet_flag
def command(
    suite: str, *, action: str, night: str | None, name: str | None, as_json: bool, quiet: bool
) -> None:
    """Show or change what the nights of SUITE (its name) are compared with."""
    from runner.db.evaluation import history

    _check_words(suite, action, night, name)
    settings = read_settings()
    with existing_database(settings) as database:
        done = ""
        if night is not None:
            actor = read_actor(settings)
            with database.write() as connection:
                before = _baseline_facts(connection, need_suite(connection, suite))
                done = _change(connection, action, _find(connection, action, suite, night), name)
                _record(connection, actor, before, _baseline_facts(connection, suite), database.now_ms())
        with database.read() as connection:
            nights = history.read(connection, need_suite(connection, suite))
    if as_json:
        print_json(baseline_object(suite, nights))
    elif not quiet and done:
        print_note(done)
    elif action == "show":
        for line in baseline_lines(suite, nights):
            print_escaped(line)


def _check_words(suite: str, action: str, night: str | None, name: str | None) -> None:
    """Raise UsageError where a night is missing or not wanted, or --as is."""
    if action != "show" and night is None:
        raise UsageError(
            f"{action} needs a night", fix=f"name one that runner history {shell_word(suite)} shows"
        )
    if action == "show" and night is not None:
        raise UsageError("show takes no night", fix=f"runner history {suite} shows the nights")
    if name is not None and (action != "pin" or not is_occasion(name)):
        reason = "is only for pin" if action != "pin" else f'cannot be "{name}"'
        raise UsageError(f"--as {reason}", fix="pin a night under 1 to 64 letters, digits, dots, - or _")


def _find(connection: Connection, action: str, suite: str, word: str) -> NightRow:
    """Return the night that is meant; with unpin also by the name that it is pinned as. Raises UsageError."""
    from runner.db.evaluation import nights

    pinned = [night for night in nights.of_suite(connection, suite) if night.pinned_as == word]
    return pinned[0] if pinned and action == "unpin" else find_night(connection, suite, word)


def _change(connection: Connection, action: str, night: NightRow, name: str | None) -> str:
    """Accept, pin or unpin a night; return what was done. Raises UsageError where it has no scores to use."""
    from runner.db.evaluation import nights

    if action == "unpin":
        nights.pin(connection, night.id, None)
        if night.pinned_as is None:
            shows = f"runner baseline {shell_word(night.suite)} shows those that are"
            return f"night {night.name} was not pinned; {shows}"
        return f"night {night.name} is no longer pinned as {night.pinned_as}"
    _need_valid(connection, action, night)
    if action == "pin":
        nights.pin(connection, night.id, name or night.occasion)
        return f"night {night.name} is pinned as {name or night.occasion}"
    nights.accept(connection, night.id, True)
    already = "already " if night.is_accepted else ""
    done = f"night {night.name} is {already}accepted; later nights are compared with it, too"
    if night.verdict != "regressed":
        return done
    return "\n".join(
        (
            done,
            f"the nights before it count as well until they have left the last {POOL_MOST}; to begin",
            "at the new level at once, pin it, and let the gate of the suite have",
            'baseline = "pinned:NAME":',
            f"  runner baseline {shell_word(night.suite)} pin {shell_word(night.name)} --as NAME",
        )
    )


def _baseline_facts(connection: Connection, suite: str) -> dict[str, dict[str, object]]:
    """Return of each night of a suite, by its name, whether it is accepted and the name it is pinned as."""
    from runner.db.evaluation import nights

    return {
        night.name: {"is_accepted": night.is_accepted, "pinned_as": night.pinned_as}
        for night in nights.of_suite(connection, suite)
    }


def _record(
    connection: Connection,
    actor: Actor,
    before: Mapping[str, Mapping[str, object]],
    after: Mapping[str, Mapping[str, object]],
    now_ms: int,
) -> None:
    """Record what has changed of each night, also of one whose name as a pin another night has now."""
    for night, old in before.items():
        change = OptionsChange.between(old, after[night])
        if change.new:
            trail.record_operator_event(
                connection,
                now_ms,
                EventKind.BASELINE,
                actor=actor,
                run_name=night,
                old=change.old,
                new=change.new,
            )


def _need_valid(connection: Connection, action: str, night: NightRow) -> None:
    """Raise UsageError for a night that nothing can be compared with."""
    from runner.db.evaluation import nights
    from runner.rules.evaluation.report.report_summary import reason_of

    if night.state is nights.NightState.OPEN:
        raise UsageError(
            f"night {night.name} has no verdict yet, so it cannot be used as a baseline",
            fix="runner eval SUITE.toml carries it on",
        )
    if not night.is_valid:
        raise UsageError(
            f"night {night.name} was not measured enough, so nothing can be compared with it",
            where=tuple(filter(None, [reason_of(nights.report(connection, night.id) or b"{}")])),
            fix=f"{action} another night; runner history {night.suite} shows them",
        )
