"""`runner compile FILE`: the job lines that a table and a recipe make. Sends nothing."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli import flags
from runner.cli.printing import print_note
from runner.cli.render.text import count, warning_lines
from runner.cli.session.labeling_flags import labeling_flags
from runner.rules.exit_codes import ExitCode
from runner.rules.row_faults import row_fault_sentences
from runner.tables.table import TableError

if TYPE_CHECKING:
    from runner.intake.compile_table import CompiledTable
    from runner.rules.recipe_flags import RecipeFlags


@click.command("compile", short_help="Print the job lines that a table makes. Sends nothing.")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@labeling_flags
@click.option("-n", "line_count", type=flags.Count(1, 10**12), metavar="N", help="Print only the first N.")
@click.option("--skip-bad", is_flag=True, help="Leave rows with a fault out.")
def command(file: Path, *, shaping: RecipeFlags, line_count: int | None, skip_bad: bool) -> int:
    """Print the requests of FILE, a table (CSV, TSV, JSONL, Parquet) or a recipe (.toml), as job lines.

    Columns are variables of the templates; cell["any name"] reaches each. Exit 3 when a row has a fault:
    the lines of the others are printed all the same.

    \b
    Example, the first request of a table:
      runner compile reviews.csv --text review --labels "sentiment: positive|negative" -n 1
    """
    from runner.cli.session.open_labeling import open_labeling  # it imports jinja2

    opened = open_labeling(file, shaping)
    for line in warning_lines(opened.plan.warnings, len(opened.plan.warnings)):
        print_note(line)
    compiled = opened.compiled()
    write = sys.stdout.buffer.write
    for _, job_line in islice(compiled.lines(), line_count):
        write(job_line + b"\n")
    sys.stdout.buffer.flush()
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
