"""`runner compile FILE`: the job lines that a table and a recipe make. Sends nothing."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import value_types
from runner.cli.path_types import InputPath
from runner.cli.printing import print_bytes, print_note
from runner.cli.render.text import count, warning_lines
from runner.cli.session.recipes.recipe_options import recipe_options, take_recipe_flags
from runner.cli.streams import is_stdout_lost
from runner.rules.exit_codes import ExitCode
from runner.rules.row_faults import row_fault_sentences
from runner.tables.table import TableError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.intake.compile_table import CompiledTable


_HELP: Final = """\
Print the requests of FILE, a table (CSV, TSV, JSONL, Parquet) or a recipe (.toml), as job lines.

Columns are variables of the templates; cell["any name"] reaches each. Exit 3 when a row has a fault:
the lines of the others are printed all the same.

\b
Example, the first request of a table:
  runner compile reviews.csv --text review --labels "sentiment: positive|negative" -n 1
"""


@click.command("compile", short_help="Print the job lines that a table makes. Sends nothing.", help=_HELP)
@click.argument("file", type=InputPath(allow_dash=False))
@recipe_options
@click.option(
    "-n", "line_count", type=value_types.Count(1, 10**12), metavar="N", help="Print only the first N."
)
@click.option("--skip-bad", is_flag=True, help="Leave rows with a fault out.")
def command(file: Path, *, line_count: int | None, skip_bad: bool, **given: Any) -> int:
    """Print the requests of FILE, a table (CSV, TSV, JSONL, Parquet) or a recipe (.toml), as job lines."""
    from runner.cli.session.recipes.prepare_table import prepare_table  # it imports jinja2
    from runner.cli.session.recipes.recipe_source import recipe_origin
    from runner.intake.recipe_input import RowFlags

    prepared = prepare_table(recipe_origin(file, take_recipe_flags(given)), RowFlags(skip_bad=skip_bad))
    warnings = prepared.input.plan.warnings
    for line in (*(f"warning: {one}" for one in prepared.warnings), *warning_lines(warnings, len(warnings))):
        print_note(line)
    compiled = prepared.input.compile()
    for _, job_line in islice(compiled.lines(), line_count):
        print_bytes(job_line + b"\n")
        if is_stdout_lost():
            break
    _refuse_faults(compiled, skip_bad=skip_bad)
    return ExitCode.OK


def _refuse_faults(compiled: CompiledTable, *, skip_bad: bool) -> None:
    """Raise TableError if rows that were read have faults, which --skip-bad allows; print how many."""
    if not compiled.fault_count:
        return
    number = count(compiled.fault_count, "row has a fault", "rows have a fault")
    if skip_bad and not compiled.is_incomplete:
        print_note(f"{number}; left out")
        return
    where = row_fault_sentences(compiled.faults, compiled.fault_count)
    raise TableError(number, where=where, fix="correct the rows, or leave them out with --skip-bad")
