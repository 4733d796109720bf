"""`runner write RUN`: the three files of a run, any number of times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json
from runner.cli.render import text
from runner.cli.render.runs.summary_table import recoded_note
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.running.output_flag import output_flag, refuse_json_beside_results
from runner.cli.session.running.results_to_stdout import print_results, refuse_bytes_on_terminal
from runner.output.contents import TableOptions
from runner.output.files import STDOUT, labeled_output
from runner.output.labeling import labeling_of
from runner.output.write import write_run

if TYPE_CHECKING:
    from runner.db.runs.run_row import RunRow


_HELP: Final = """\
Write the results, errors and summary of RUN (an id or a name) in its present state.

The lines are in the order of the input; jobs that have not ended are only counted. The results of a table
with labels are all of its rows, in the format that the output ends with: .csv, .tsv, .jsonl or .parquet.
-o - writes the results alone, to stdout; those of a table in the format of the table.

\b
Example, the results so far, and a labeled table in another format:
  runner write reviews -o so-far.jsonl
  runner write reviews -o labeled.parquet --input moved/reviews.csv
"""


@click.command("write", short_help="Write a run's files, any number of times.", help=_HELP)
@flags.run_argument
@output_flag("where `runner run` wrote it")
@click.option("--force", is_flag=True, help="Replace output files that another run wrote.")
@click.option(
    "--input",
    "input_path",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The table that was labeled, if it has moved; its content must be the same.",
)
@click.option(
    "--spreadsheet",
    is_flag=True,
    help="Make a labeled CSV safe to open in a spreadsheet: no cell is run as a formula.",
)
@click.option(
    "--columns",
    type=value_types.Columns(),
    help="Columns to add to the labels: cost, model, asks, answer, or none.  [default: those of the run]",
)
@click.option(
    "--prefix", metavar="TEXT", help="What the name of every added column begins with.  [default: the run's]"
)
@flags.json_flag
@flags.quiet_flag
def command(
    run: str,
    *,
    output: Path | None,
    force: bool,
    input_path: Path | None,
    spreadsheet: bool,
    columns: tuple[str, ...] | None,
    prefix: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the results, errors and summary of RUN (an id or a name) in its present state."""
    table = TableOptions(
        input_path=input_path,
        spreadsheet=spreadsheet,
        columns=columns,
        prefix=prefix,
    )
    refuse_json_beside_results(output, as_json=as_json)
    with existing_database(read_settings()) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        if output == STDOUT:
            if found.recipe is not None:
                refuse_bytes_on_terminal(labeling_of(found.recipe).read.format)
            print_results(database, found.id, table, quiet=quiet)
            return
        written = write_run(database, found.id, output or _default_output(found), force=force, table=table)
    if as_json:
        print_json(written.summary)
    elif not quiet:
        unit = "line" if found.recipe is None else "row"
        for file, one in ((written.results, unit), (written.errors, "line")):
            print_escaped(f"{written.paths.results.parent / file.name}: {text.count(file.lines, one)}")
        print_escaped(str(written.paths.summary))
        if note := recoded_note(written.results):
            print_escaped(note)


def _default_output(run: RunRow) -> Path:
    """Return where `runner run` wrote the results; else a name in the current folder."""
    if run.output_path:
        return Path(run.output_path)
    if run.recipe is None:
        return Path(f"{Path(run.name).name}.results.jsonl")
    return labeled_output(Path(run.input_path), run.name)
