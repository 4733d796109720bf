"""`runner write RUN`: the three files of a run, any number of times."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.render import text
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.output.write import write_run


@click.command("write", short_help="Write a run's files, any number of times.")
@flags.run_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Results file.  [default: where `runner run` wrote it]",
)
@click.option("--force", is_flag=True, help="Replace output files that another run wrote.")
@flags.json_flag
@flags.quiet_flag
def command(run: str, *, output: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Write the results, errors and summary of RUN (an id or a name) in its present state.

    The lines are in the order of the input; jobs that have not ended are only counted.

    \b
    Example, the results so far:
      runner write reviews -o so-far.jsonl
    """
    with existing_database(read_settings()) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        target = output or Path(found.output_path or f"{Path(found.name).name}.results.jsonl")
        written = write_run(database, found.id, target, force=force)
    if as_json:
        print_json(written.summary)
    elif not quiet:
        for file in (written.results, written.errors):
            print_escaped(f"{written.paths.results.parent / file.name}: {text.count(file.lines, 'line')}")
        print_escaped(str(written.paths.summary))
