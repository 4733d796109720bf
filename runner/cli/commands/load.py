"""`runner load FILE`: read a job file into the database; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.session.actor import read_actor
from runner.cli.session.checking.input_kind import is_recipe_not_jobs
from runner.cli.session.context import any_database, read_settings
from runner.cli.session.running.given_limits import given_limits
from runner.cli.session.running.loading import load_file, source_of
from runner.cli.session.running.run_choice import choose_run
from runner.db.runs.run_row import RunOptions
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from pathlib import Path

    from runner.intake.run_input import RunInput
    from runner.settings import Settings


class LoadedRun(JsonObject, frozen=True, kw_only=True):
    """The loaded run."""

    schema: Schema
    run: Annotated[int, about("its id")]
    name: Annotated[str, about("its name")]
    total: Annotated[int, about("jobs")]
    created: Annotated[bool, about("false where the file was loaded before")]
    bad: Annotated[int, about("lines skipped by --skip-bad")]
    warnings: Annotated[int, about("so many")]
    bad_file: Annotated[str | None, about("path of the file with the skipped lines, where there are any")]


_HELP: Final = """\
Read FILE into the database, all lines or none, and print the id of its run. Nothing is sent.

The same file again is the same run, unless --new or another --occasion is given. FILE may be - for
stdin, or a recipe (.toml) that names a table.

\b
Example, in steps:
  runner load reviews.jsonl
  runner start 1
  runner write 1 -o labels.jsonl
"""


@click.command("load", short_help="Read a job file into the database; prints the run's id.", help=_HELP)
@flags.shaping_flags
@flags.json_flag
@flags.quiet_flag
def command(
    file: Path,
    *,
    name: str | None,
    new: bool,
    occasion: str | None,
    trust_code: bool,
    as_json: bool,
    quiet: bool,
    **shaping: Any,
) -> None:
    """Read FILE into the database, all lines or none, and print the id of its run. Nothing is sent."""
    settings = read_settings()
    limits = given_limits(settings, None, None)
    load_flags = LoadFlags(**shaping, limits=limits, is_model_given=flags.is_model_given())
    flags.refuse_two_models(load_flags.model_for_all)
    source, name, given_model = _input_of(
        settings, file, name, load_flags, occasion, trust_code=trust_code, quiet=quiet
    )
    with any_database(settings) as database:
        choice = choose_run(
            database, source.path, occasion, now_ms=database.now_ms(), name=name, new=new, quiet=quiet
        )
        loaded = load_file(
            database,
            source,
            settings,
            choice,
            given_model=given_model,
            options=RunOptions(),
            actor=read_actor(settings),
            quiet=quiet,
        )
    if as_json:
        print_json(
            LoadedRun(
                schema=SCHEMA,
                run=loaded.run_id,
                name=loaded.name,
                total=loaded.total,
                created=loaded.is_new,
                bad=loaded.bad_total,
                bad_file=None if loaded.bad_path is None else str(loaded.bad_path.absolute()),
                warnings=loaded.warnings_total,
            )
        )
    else:
        print_escaped(str(loaded.run_id))


def _input_of(
    settings: Settings,
    file: Path,
    name: str | None,
    flags: LoadFlags,
    occasion: str | None,
    *,
    trust_code: bool,
    quiet: bool,
) -> tuple[RunInput, str | None, str | None]:
    """Return the input that FILE is, the name of its run if it has one, and the model that lines may lack."""
    if is_recipe_not_jobs(file):
        from runner.cli.session.recipes.label_table import Naming, named_table  # with the readers of tables
        from runner.intake.recipe_input import RowFlags
        from runner.rules.recipes.recipe_flags import RecipeFlags

        naming = Naming(name=name, has_occasion=occasion is not None, quiet=quiet)
        rows = RowFlags(skip_bad=flags.skip_bad, strict=flags.strict, limits=flags.limits)
        model = flags.model_for_all or flags.given_model
        recipe_flags = RecipeFlags(model=model, trust_code=trust_code)
        named = named_table(settings, file, rows, recipe_flags, naming)
        return named.input, named.name, None
    source, name = source_of(file, name, settings, has_occasion=occasion is not None)
    return JobFile(source, flags), name, flags.given_model
