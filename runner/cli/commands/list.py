"""`runner list`: all runs, the newest first."""

from __future__ import annotations

from typing import Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.runs.run_list import list_object, no_worker_lines, refused_commits_lines, run_table
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.following.commit_refusals import RefusedCommitsReader
from runner.cli.session.following.run_state import snapshots_of_all
from runner.db.evaluation import night_runs
from runner.db.session import clock_ms

_HELP: Final = """\
Show all runs, the newest first. The runs that measure a night of a suite are one line, under its name.

\b
Example, the ids of those that wait for a person:
  runner list --json | jq '.runs[] | select(.state == "paused") | .run'
"""


@click.command("list", short_help="Show all runs.", help=_HELP)
@flags.json_flag
def command(*, as_json: bool) -> None:
    """Show all runs, the newest first."""
    settings = read_settings()
    with existing_database(settings) as database, database.read() as connection:
        now_ms = clock_ms(connection)
        snapshots = snapshots_of_all(settings, connection, now_ms)
        nights = night_runs.read(connection)
    reports = RefusedCommitsReader(settings)
    snapshots = [reports.added_to(snapshot) for snapshot in snapshots]
    if as_json:
        print_json(list_object(snapshots, now_ms, nights))
        return
    if not snapshots:
        print_note("there are no runs yet; runner run FILE starts the first one")
        return
    table = run_table(snapshots, nights)
    for line in (*table, *no_worker_lines(snapshots), *refused_commits_lines(snapshots)):
        print_escaped(line)
