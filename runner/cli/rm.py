"""`runner rm RUN`: remove a run from the database."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags, json, text
from runner.cli.confirm import confirm
from runner.cli.loading import loading_lock
from runner.cli.opening import existing_database, find_run, read_settings
from runner.db import intake, removal
from runner.rules.errors import UsageError
from runner.rules.redact import one_line
from runner.rules.states import RunState

if TYPE_CHECKING:
    from runner.db.removal import Holds
    from runner.db.runs import RunRow
    from runner.db.session import Database
    from runner.settings import Settings

_NAME_LENGTH = 40


@click.command("rm", short_help="Remove a run from the database.")
@flags.run_argument
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(run: str, *, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove RUN (an id or a name) with its jobs and answers from the database. It cannot be undone.

    Your job file and the files that were written stay. A run with answers that are out has to be cancelled
    first: they are paid for.

    \b
    Example, to look first:
      runner rm reviews --dry-run
      runner rm reviews --yes
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run, removing=True)
            held = removal.holds(connection, found.id)
            if not removal.at_rest(connection, found.id):
                raise _at_work(found)
        if confirm(f"remove {described(found, held)}", yes=yes, dry_run=dry_run, as_json=as_json):
            remove(settings, database, found)
            if as_json:
                json.emit({"schema": 1, "removed": [as_object(found, held)]})
            elif not quiet:
                text.note(f"removed {described(found, held)}")


def remove(settings: Settings, database: Database, run: RunRow) -> None:
    """Remove a run, half loaded ones too. Raises UsageError where something of it is on its way."""
    with ExitStack() as held:
        if run.state is RunState.LOADING:  # a loader that lives is waited for, and its run is whole then
            held.enter_context(loading_lock(settings, run.identity))
            held.enter_context(intake.shared_lock(database, run.identity))
        with database.write() as connection:
            begun = removal.begin(connection, run.id, run.state)
    if not begun:
        raise _at_work(run)
    removal.remove(database, run.id)


def described(run: RunRow, held: Holds) -> str:
    """Name a run with what it holds."""
    what = f"{text.of(held.jobs, 'job')} and {text.of(held.answers, 'answer')}"
    return f"run {run.id}, {one_line(run.name, _NAME_LENGTH)}: {what}"


def as_object(run: RunRow, held: Holds) -> dict[str, Any]:
    """Make the object that tells of a removed run."""
    return {"run": run.id, "name": run.name, "jobs": held.jobs, "answers": held.answers}


def _at_work(run: RunRow) -> UsageError:
    return UsageError(
        f"run {run.id} is {run.state} and has work on its way; it was not removed",
        fix=f"runner cancel {run.id} ends it; remove it when its answers are in",
    )
