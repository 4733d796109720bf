"""`runner summary RUN`: the results and the cost of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.following.ending import folder_of
from runner.cli.session.following.run_state import snapshot_of
from runner.db.jobs import examples
from runner.db.runs.run_snapshot import Part
from runner.output.file_owner import files_of_run
from runner.rules.explain import code_of
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.printed_id import printed_id

if TYPE_CHECKING:
    from collections.abc import Iterator


class JobIds(JsonObject, frozen=True, kw_only=True):
    """The jobs of `summary --ids`."""

    schema: Schema
    ids: Annotated[list[Annotated[str, about("custom_id")]], about("custom_ids in input order")]


_HELP: Final = """\
Show counts, tokens, cost, attempts and failures of RUN (an id or a name).

\b
Example, the bill, and the answers that were cut off:
  runner summary reviews --json | jq -r .cost.usd
  runner summary reviews --ids length
"""


@click.command("summary", short_help="Show the results and the cost of a run.", help=_HELP)
@flags.run_argument
@click.option(
    "--ids",
    metavar="CODE",
    help="Print only ids, one per line: jobs that failed or are held with this error code, or whose answer"
    " has this flaw (length, refusal, empty).",
)
@flags.json_flag
def command(run: str, *, ids: str | None, as_json: bool) -> None:
    """Show counts, tokens, cost, attempts and failures of RUN (an id or a name)."""
    settings = read_settings()
    with existing_database(settings) as database, database.read() as connection:
        found = find_run(connection, run)
        if ids is not None:
            _print_ids(examples.ids(connection, found.id, code_of(ids)), as_json=as_json)
            return
        snapshot = snapshot_of(settings, connection, found.id, Part.EXAMPLES)
    summary = snapshot.stored.summary(files_of_run(found))
    if as_json:
        print_json(summary)
        return
    folder = folder_of(Path(found.output_path)) if found.output_path else ""
    for line in summary_lines(summary, folder):
        print_escaped(line)


def _print_ids(ids: Iterator[str], *, as_json: bool) -> None:
    """Print ids: unchanged as JSON, else one per line, so that `--id` takes them back."""
    if as_json:
        print_json(JobIds(schema=SCHEMA, ids=list(ids)))
        return
    for custom_id in ids:
        print_escaped(printed_id(custom_id))
