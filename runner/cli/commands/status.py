"""`runner status [RUN]`: the numbers of a run at this moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.status_lines import status_lines
from runner.cli.session.context import existing_database, find_run, latest_run, read_settings
from runner.cli.session.ending import read_suggestions
from runner.cli.session.fleet import lacks_workers
from runner.cli.session.follow import has_stopped
from runner.cli.session.limit_usage import LimitUsageReader
from runner.cli.session.run_state import fetchable_until_ms, read_live_object, read_snapshot, read_summary

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.settings import Settings


@click.command("status", short_help="Show the numbers of a run.")
@flags.maybe_run_argument
@flags.json_flag
def command(run: str | None, *, as_json: bool) -> None:
    """Show the numbers of RUN (an id or a name). Without RUN: the run at work, else the newest run.

    \b
    Example, how many are done:
      runner status reviews --json | jq .done
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run) if run else latest_run(connection)
        with LimitUsageReader(settings) as reader:
            snapshot = replace(read_snapshot(database, found.id), limit_usage=reader.read())
        if as_json:
            print_json(read_live_object(database, snapshot))
        else:
            for line in _lines(database, snapshot, settings):
                print_escaped(line)


def _lines(database: Database, snapshot: Snapshot, settings: Settings) -> list[str]:
    return status_lines(
        snapshot,
        read_summary(database, snapshot),
        until_ms=fetchable_until_ms(database, snapshot.run.id),
        suggestions=read_suggestions(database, snapshot, settings),
        lacks_workers=not has_stopped(snapshot) and lacks_workers(database),
    )
