"""`runner load FILE`: read a job file into the database; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.session.context import any_database, read_settings
from runner.cli.session.loading import load_file, source_of
from runner.cli.session.run_choice import choose_run
from runner.db.runs import RunOptions
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from pathlib import Path


class LoadedRun(JsonObject, frozen=True, kw_only=True):
    """The loaded run."""

    schema: Schema
    run: Annotated[int, about("its id")]
    name: Annotated[str, about("its name")]
    total: Annotated[int, about("jobs")]
    created: Annotated[bool, about("false where the file was loaded before")]
    bad: Annotated[int, about("lines skipped by --skip-bad")]
    warnings: Annotated[int, about("so many")]


@click.command("load", short_help="Read a job file into the database; prints the run's id.")
@flags.shaping_flags
@flags.json_flag
@flags.quiet_flag
def command(
    file: Path,
    *,
    name: str | None,
    new: bool,
    occasion: str | None,
    as_json: bool,
    quiet: bool,
    **shaping: Any,
) -> None:
    """Read FILE into the database, all lines or none, and print the id of its run. Nothing is sent.

    The same file again is the same run, unless --new or another --occasion is given. FILE may be - for
    stdin.

    \b
    Example, in steps:
      runner load reviews.jsonl
      runner start 1
      runner write 1 -o labels.jsonl
    """
    load_flags = LoadFlags(**shaping, is_model_given=flags.is_model_given())
    flags.refuse_two_models(load_flags.model_for_all)
    settings = read_settings()
    source, name = source_of(file, name, settings, has_occasion=occasion is not None)
    with any_database(settings) as database:
        choice = choose_run(
            database, source, occasion, now_ms=database.now_ms(), name=name, new=new, quiet=quiet
        )
        loaded = load_file(
            database,
            JobFile(source, load_flags),
            settings,
            choice,
            given_model=load_flags.given_model,
            options=RunOptions(),
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
                warnings=loaded.warnings_total,
            )
        )
    else:
        print_escaped(str(loaded.run_id))
