"""`runner rm RUN`: remove a run from the database."""

from __future__ import annotations

from typing import Final

import click

from runner.cli import flags
from runner.cli.printing import print_json, print_note
from runner.cli.render.runs.removal_lines import Removal, night_text, removed_object, run_text
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.remove_runs import at_work_error, remove_run
from runner.db.evaluation import night_runs
from runner.db.runs import removal
from runner.rules.json_object import SCHEMA

_HELP: Final = """\
Remove RUN (an id or a name) with its jobs and answers from the database. It cannot be undone.

Your job file and the files that were written stay; so do who removed the run, its name, and its part in
`runner costs`.
A run with answers that are not collected yet must be cancelled first, because they are paid. The scores
of a night stay, but it can no longer be graded again.

\b
Example, look first:
  runner rm reviews --dry-run
  runner rm reviews --yes
"""


@click.command("rm", short_help="Remove a run from the database.", help=_HELP)
@flags.run_argument
@flags.reason_flag
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(run: str, *, reason: str | None, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove RUN (an id or a name) with its jobs and answers from the database. It cannot be undone."""
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run, removing=True)
            night = night_runs.read(connection).get(found.id)
            holds = removal.count_contents(connection, found.id)
            if not removal.is_removable(connection, found.id):
                raise at_work_error(found)
        description = run_text(found, holds)
        if night is not None and not as_json and not quiet:
            print_note(night_text(night))
        if confirm(f"remove {description}", yes=yes, dry_run=dry_run, as_json=as_json):
            remove_run(settings, database, found, read_actor(settings, reason))
            if as_json:
                print_json(Removal(schema=SCHEMA, removed=[removed_object(found, holds, night)]))
            elif not quiet:
                print_note(f"removed {description}")
