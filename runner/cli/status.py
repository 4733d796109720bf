"""`runner status [RUN]`: the numbers of a run at this moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from runner.cli import flags, json, last_words, snapshot, text
from runner.cli.crew import NOBODY, nobody_works
from runner.cli.follow import stands_still
from runner.cli.gauge import Gauge
from runner.cli.offers import offers
from runner.cli.opening import existing_database, find_run, latest_run, read_settings
from runner.cli.progress import how_many, limit_use, percent
from runner.cli.report import facts, heading

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.settings import Settings


@click.command("status", short_help="Show the numbers of a run.")
@flags.maybe_run_argument
@flags.json_flag
def command(run: str | None, *, as_json: bool) -> None:
    """Show the numbers of RUN (an id or a name); without one, of the run at work, else the newest.

    \b
    Example, how many are done:
      runner status reviews --json | jq .done
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run) if run else latest_run(connection)
        with Gauge(settings) as gauge:
            seen = replace(snapshot.read(database, found.id), use=gauge.read())
        if as_json:
            json.emit(snapshot.live(database, seen))
        else:
            for line in _lines(database, seen, settings):
                text.out(line)


def _lines(database: Database, seen: Snapshot, settings: Settings) -> list[str]:
    told = snapshot.summary(database, seen)
    reason = last_words.standstill(seen)
    return [
        heading(told),
        f"  {', '.join(how_many(seen))} ({percent(seen)} %)",
        *(f"  {line}" for line in facts(told)),
        *([f"  {limit}"] if (limit := limit_use(seen)) else []),
        *(f"  {line}" for line in last_words.out(database, seen)),
        *(f"  {line}" for line in offers(database, seen, settings)),
        *([f"  {reason}"] if reason else []),
        *([f"  {NOBODY}"] if not stands_still(seen) and nobody_works(database) else []),
    ]
