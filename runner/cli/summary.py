"""`runner summary RUN`: what a run brought and cost."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli import flags, json, snapshot, text
from runner.cli.opening import existing_database, find_run, read_settings
from runner.cli.report import summary_lines


@click.command("summary", short_help="Show what a run brought and cost.")
@click.argument("run")
@flags.json_flag
def command(run: str, *, as_json: bool) -> None:
    """Show counts, tokens, cost, attempts and failures of RUN (an id or a name).

    \b
    Example, the bill:
      runner summary reviews --json | jq -r .cost.usd
    """
    with existing_database(read_settings()) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        told = snapshot.summary(snapshot.read(database, found.id))
    if as_json:
        json.emit(told)
        return
    folder = f"{Path(found.output_path).parent}/" if found.output_path else ""
    for line in summary_lines(told, folder):
        text.out(line)
