"""`runner run FILE`: load, send, write the files, print the summary. The same command again continues."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flag_values, flags
from runner.cli.session.context import check_connections, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.cli.session.running.output_flag import refuse_json_beside_results
from runner.cli.session.running.run_options import run_options
from runner.embedded.gc_pause import gc_paused
from runner.output.files import STDOUT, default_output, has_summary, occasion_output
from runner.rules.occasion import day_word, is_today, run_name, stem_of_file

if TYPE_CHECKING:
    from pathlib import Path


_HELP: Final = """\
Load FILE, send its jobs, collect the answers, write three files and show the cost.

The same command again continues where it stopped: nothing that was paid for is sent again. Limits and
other options such as --rpm, --limit and --budget stay with the run: a later command changes only those
that it names, and `none` takes one away. -o and --timeout are for this call. FILE may be - for stdin, or
a recipe (.toml) that names a table.

\b
Example, first 20 jobs, then the rest:
  runner run reviews.jsonl --limit 20
  runner run reviews.jsonl --limit none
Example, every night; started again in the same night it carries on:
  runner run questions.jsonl --occasion today
"""


@click.command(
    "run", short_help="Load a file, send it, write the files, show the cost. Again: continue.", help=_HELP
)
@flags.shaping_flags
@run_options("FILE.results.jsonl, or FILE.WORD.results.jsonl with --occasion")
def command(file: Path, **given: Any) -> int:
    """Load FILE, send its jobs, collect the answers, write three files and show the cost."""
    settings = read_settings()
    options = flags.take_options(given)
    run_flags = flag_values.RunFlags(**given, options=options)
    flags.refuse_two_models(run_flags.model_for_all)
    refuse_json_beside_results(run_flags.output, as_json=run_flags.as_json)
    with engine_lease(settings) as lease:
        if is_likely_new(file, run_flags) and settings.api_key is not None:
            check_connections(settings)
            lease.start_early()
        with gc_paused():
            from runner.cli.session.running.run_file import (
                run_file,  # the engine starts while this is imported
            )

        return run_file(settings, lease, file, run_flags)


def is_likely_new(file: Path, given: flag_values.RunFlags) -> bool:
    """Return whether there is probably work: the file exists, and no summary of an earlier run does."""
    output = given.output or _likely_output(file, given.name, given.occasion)
    return file.is_file() and (output == STDOUT or not has_summary(output))


def _likely_output(file: Path, name: str | None, occasion: str | None) -> Path:
    if occasion is None:
        return default_output(file)
    word = day_word(datetime.now().astimezone()) if is_today(occasion) else occasion
    stem = name or stem_of_file(file.name)
    return occasion_output(stem, run_name(stem, word))
