"""`runner set RUN`: change options of a run, at once and in any state; or show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render import layout
from runner.cli.render.folded_text import hanging
from runner.cli.render.runs.changed_object import changed_run, changed_team
from runner.cli.render.runs.ending_text import resume_command
from runner.cli.render.runs.option_text import change_lines, option_lines
from runner.cli.render.runs.options_object import options_object
from runner.cli.render.runs.team_limits_object import team_limits_lines, team_limits_object
from runner.cli.session.actor import read_actor
from runner.cli.session.context import existing_database, find_working_run, read_settings, require_key
from runner.cli.session.running import budget_prices
from runner.cli.session.running.run_options import set_options
from runner.cli.session.steering.change_team_limits import change_team_limits
from runner.db.runs.run_row import RunOptions
from runner.rules.errors import UsageError
from runner.rules.money import dollars
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.session.steering.change_options import ChangedOptions
    from runner.db.session import Database
    from runner.settings import Settings

_OF_TEAM: Final = frozenset({"rpm", "tpm"})
_LINES_MAX: Final = 20  # of one option

_HELP: Final = """\
Change options of RUN (an id or a name), in any state and at once. Nothing is started: a paused run stays
paused. Without an option: show those that are in force, and change nothing.

Workers follow within two seconds. What is set here or by a flag of `run`, `start` or `resume` stays with
the run until a command names it again; `none` takes a bound away. A budget below what is spent pauses
the run. Options of a run that measures a night are those of the night, until that has its verdict: they
hold for its second measurement, too.

With --team the limits hold for each model and all runs of the team together, in place of the model's,
until they are set again or settings are changed; `none` lifts the model's, `default` goes back to them.
Without a limit: show those in force, and where they come from.

\b
Example, let a neighbour go first, then see all options; then look only:
  runner set reviews --rpm 60 --reason "the demo runs until noon"
  runner set reviews
  runner set reviews --rpm none --budget 20 --dry-run
  runner set support@2026-12-01 --budget 8
  runner set --team --rpm 480
  runner set --team --rpm default
"""


@click.command("set", short_help="Change limits, budget and other options of a run, at once.", help=_HELP)
@flags.maybe_run_argument
@click.option("--team", is_flag=True, help="What all runs of the team may send together: --rpm and --tpm.")
@set_options
@flags.reason_flag
@flags.dry_run_flag
@flags.json_flag
@flags.quiet_flag
def command(
    run: str | None,
    *,
    team: bool,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Change options of RUN (an id or a name), in any state and at once."""
    options = flags.take_options(given)
    if not options and reason is not None:
        such_as = "--rpm 480 or --tpm none" if team else "--rpm 60 or --budget none"
        raise UsageError(
            "nothing to set",
            fix=f"name an option, such as {such_as}; without --reason this shows what is set",
        )
    settings = read_settings()
    if team:
        _set_team(settings, run, options, reason, dry_run=dry_run, as_json=as_json, quiet=quiet)
        return
    word = _word_of_run(run, options)
    from runner.cli.session.steering.change_options import (  # with the steps of nights
        change_options,
        plan_options,
    )

    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_working_run(connection, word)
        if not options:
            _show(found.options, as_json=as_json, quiet=quiet)
            return
        if options.get("budget_ticks"):
            budget_prices.require_prices(database, settings, found.id)
        if dry_run:
            changed = plan_options(database, found.id, options)
        else:
            changed = change_options(database, read_actor(settings, reason), found.id, options)
    if as_json:
        run_now, change = changed.stored.run, changed.change
        print_json(changed_run(run_now, change, list(options), done=not dry_run, night=changed.night))
    elif not quiet:
        _print(changed, options, dry_run=dry_run)


def _word_of_run(run: str | None, options: Mapping[str, Any]) -> str:
    """Return the word that names the run. Raises UsageError for none, and for what only a team can have."""
    if any(name in options and options[name] is None for name in _OF_TEAM):
        raise UsageError(
            "default is a limit of the team, in place of one that was set for it",
            fix="give --team; for a run without limits of its own --rpm none",
        )
    if run is None:
        raise UsageError("which run?", fix="name a run, or give --team for all runs of the team")
    return run


def _set_team(
    settings: Settings,
    run: str | None,
    limits: Mapping[str, Any],
    reason: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Change what all runs of the team may send together. Raises UsageError for a run or another option."""
    if run is not None or not limits.keys() <= _OF_TEAM:
        raise UsageError(
            "--team is about all runs of the team",
            fix="give it --rpm or --tpm, without a run or other options",
        )
    with existing_database(settings) as database:
        if not limits:
            _show_team(settings, database, as_json=as_json, quiet=quiet)
            return
        actor = read_actor(settings, reason)
        changed = change_team_limits(settings, database, actor, limits, dry_run=dry_run)
    if as_json:
        print_json(changed_team(changed.change, list(limits), done=not dry_run))
    elif not quiet:
        for line in change_lines(changed.change, limits):
            print_escaped(f"{'would set ' if dry_run else ''}team {line}")
    if changed.problem is not None:
        print_note(f"warning: {changed.problem.what}; workers use the limits once it answers")


def _show(options: RunOptions, *, as_json: bool, quiet: bool) -> None:
    """Print the options of a run that are in force."""
    if as_json:
        print_json(options_object(options))
    elif not quiet:
        for line in option_lines(options, RunOptions()):
            print_escaped(line)


def _show_team(settings: Settings, database: Database, *, as_json: bool, quiet: bool) -> None:
    """Print the limits of the team, and where they come from. Raises UsageError without an API key."""
    from runner.embedded.read_team_limits import read_team_limits, read_team_settings

    require_key(settings)
    with database.read() as connection:
        limits = read_team_limits(connection, settings)
        known = read_team_settings(connection, settings)
    found = team_limits_object(limits, known)
    if as_json:
        print_json(found)
    elif not quiet:
        for line in team_limits_lines(found):
            print_escaped(line)


def _print(changed: ChangedOptions, options: Mapping[str, Any], *, dry_run: bool) -> None:
    """Print the old and the new values, and how a paused run continues."""
    run = changed.stored.run
    would = "would set " if dry_run else ""
    for change in change_lines(changed.change, options):
        for line in hanging(f"{would}{change}", layout.WIDTH, _LINES_MAX):
            print_escaped(line)
    budget_note = _budget_note(changed, dry_run=dry_run)
    if budget_note is not None:
        print_note(budget_note)
    if changed.night is not None:
        print_note(f"note: {changed.night} keeps this, also for its further runs")
    if dry_run or run.state is not RunState.PAUSED:
        return
    to_continue = f"to continue: {resume_command(changed.stored)}"
    if changed.is_paused_now:
        print_note(f"run {run.id} is paused now: {run.pause_text}")
        print_note(to_continue)
    else:
        print_note(f"run {run.id} stays paused ({run.pause_reason}); {to_continue}")


def _budget_note(changed: ChangedOptions, *, dry_run: bool) -> str | None:
    """Return that the new budget is used up already; None where it is not, or where it has paused the run."""
    stored, budget_ticks = changed.stored, changed.change.new.get("budget_ticks")
    if budget_ticks is None or changed.is_paused_now or stored.used_ticks < budget_ticks:
        return None
    would_pause = dry_run and stored.run.state in (RunState.RUNNING, RunState.WAITING)
    then = "this would pause it" if would_pause else "nothing more is sent under this budget"
    return f"note: run {stored.run.id} has used {dollars(stored.used_ticks)} already; {then}"
