"""`runner label TABLE`: label the rows of a table. The same command again continues."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from runner.cli import flag_values, flags
from runner.cli.path_types import InputPath
from runner.cli.session.context import check_connections, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.cli.session.recipes.recipe_options import recipe_options, take_recipe_flags
from runner.cli.session.running.output_flag import refuse_json_beside_results
from runner.cli.session.running.run_options import run_options
from runner.embedded.gc_pause import gc_paused

_HELP: Final = """\
Label each row of TABLE (CSV, TSV, JSONL or Parquet), and write the table with the labels added.

Every row comes out once and in its place, with a _status. An answer that does not fit the labels is
asked for again. The same command again continues where it stopped. Other flags, such as --rpm, are those
of `runner run` and stay with the run. A recipe file says the same as the flags. TABLE may be - for stdin.

\b
Example:
  runner label reviews.csv --text review --labels "mood: good|bad" -o out.csv
Example, keep the recipe, then use it:
  runner label reviews.csv --text review --labels "stars: 1..5" --save r.toml
  runner label r.toml
"""


@click.command("label", short_help="Label the rows of a table; the same command again continues.", help=_HELP)
@click.argument("file", metavar="TABLE|RECIPE.toml", type=InputPath())
@recipe_options
@click.option(
    "--save", type=click.Path(path_type=Path), help="Also write what the flags mean as a recipe file."
)
@flags.name_flag
@flags.new_flag
@flags.occasion_flag
@click.option("--skip-bad", is_flag=True, help="Leave out rows with a fault; their status is skipped.")
@click.option("--strict", is_flag=True, help="Refuse the table for warnings as well.")
@run_options("TABLE.labeled with the ending of TABLE", "rows")
def command(file: Path, save: Path | None, **given: Any) -> int:
    """Label each row of TABLE (CSV, TSV, JSONL or Parquet), and write the table with the labels added."""
    settings = read_settings()
    recipe_flags = take_recipe_flags(given)
    options = flags.take_options(given)
    run_flags = flag_values.RunFlags(**given, model="", model_for_all=None, options=options)
    refuse_json_beside_results(run_flags.output, as_json=run_flags.as_json)
    with gc_paused():
        from runner.cli.session.recipes import label_table
        from runner.cli.session.running.load_and_work import run_input

        naming = label_table.Naming(
            name=run_flags.name, has_occasion=run_flags.occasion is not None, quiet=run_flags.quiet
        )
        named = label_table.named_table(
            settings, file, label_table.row_flags(settings, run_flags), recipe_flags, naming
        )
    if save is not None:
        from runner.cli.session.recipes.saved_recipe import recipe_to_save

        named = replace(named, saved=recipe_to_save(file, recipe_flags, save, force=run_flags.force))
    with engine_lease(settings) as lease:
        if settings.api_key is not None and label_table.is_likely_new(named, run_flags):
            check_connections(settings)
            lease.start_early()
        return run_input(settings, lease, named, run_flags)
