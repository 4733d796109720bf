"""`runner sample RUN`: a few rows of a labeled table beside their labels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.layout import WIDTH
from runner.cli.session.context import existing_database, find_run, read_settings

_ROWS_MAX: Final = 1_000  # they are held in memory, with cells of any size


_HELP: Final = """\
Show some rows of RUN (an id or a name) beside their labels, chosen at random.

The same seed chooses the same rows each time. The table is read again; without it the prompts are shown.

\b
Example, ten rows; others that are negative; rows without an answer that fits:
  runner sample reviews
  runner sample reviews --label sentiment=negative --seed 1
  runner sample reviews -n 50 --status invalid
"""


@click.command("sample", short_help="Show some rows of a labeled table beside their labels.", help=_HELP)
@flags.run_argument
@click.option(
    "-n",
    "size",
    metavar="N",
    type=value_types.Count(1, _ROWS_MAX),
    default=10,
    show_default=True,
    help="So many rows.",
)
@click.option(
    "--seed",
    metavar="N",
    type=value_types.Count(0),
    default=0,
    show_default=True,
    help="Another choice of rows.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only rows with this label; can be given several times.",
)
@click.option(
    "--status",
    metavar="STATUS",
    help="Only rows with this status: ok, invalid, failed, held, cancelled, unfinished, skipped, excluded.",
)
@click.option(
    "--input",
    "input_path",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The table that was labeled, if it has moved.",
)
@flags.json_flag
def command(
    run: str,
    *,
    size: int,
    seed: int,
    labels: tuple[str, ...],
    status: str | None,
    input_path: Path | None,
    as_json: bool,
) -> None:
    """Show some rows of RUN (an id or a name) beside their labels, chosen at random."""
    from runner.cli.render.checks.sample_lines import sample_lines
    from runner.cli.session.recipes.sample import SampleFlags, chosen_rows, read_sample

    asked = SampleFlags(size=size, seed=seed, labels=labels, status=status, input_path=input_path)
    with existing_database(read_settings()) as database, database.read() as connection:
        sample, note = read_sample(connection, find_run(connection, run), asked)
    if note:
        print_note(f"note: {note}")
    if as_json:
        print_json(sample)
        return
    for line in sample_lines(sample, chosen_rows(asked), _width()):
        print_escaped(line)


def _width() -> int:
    """Return the columns of the terminal; those of a page where stdout is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
