"""`runner run FILE`: load, send, write the files, print the summary. The same command again continues."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runner.cli import flags
from runner.cli.session.context import check_connections, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.embedded.gc_pause import gc_paused
from runner.output.files import default_output, occasion_output, paths
from runner.rules.occasion import day_word, is_today, run_name, stem_of_file


@click.command("run", short_help="Load a file, send it, write the files, show the cost. Again: continue.")
@flags.shaping_flags
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Results file.  [default: FILE.results.jsonl, or FILE.WORD.results.jsonl with --occasion]",
)
@click.option("--force", is_flag=True, help="Replace output files that another run wrote.")
@click.option("--limit", type=flags.Count(1), metavar="N", help="Send at most N jobs of the file.")
@flags.budget_flag
@click.option("--rpm", type=flags.Rate(), help="Requests per minute; the API's own limit applies as well.")
@click.option("--tpm", type=flags.Rate(), help="Tokens per minute; the API's own limit applies as well.")
@click.option(
    "--max-attempts",
    type=flags.Count(1, 100),
    metavar="N",
    default=5,
    show_default=True,
    help="Attempts of a job before it fails.",
)
@click.option(
    "--on-ambiguous",
    type=click.Choice(["resubmit", "hold"]),
    default="resubmit",
    show_default=True,
    help="What to do when it is unknown whether a request arrived.",
)
@click.option(
    "--max-waiting",
    type=flags.Count(1),
    metavar="N",
    default=50_000,
    show_default=True,
    help="Accepted requests that may wait for their answers at the same time.",
)
@click.option("--max-failures", type=flags.Count(1), metavar="N", help="Pause when N jobs have failed.")
@click.option(
    "--fail-on",
    type=flags.Flaws(),
    default=(),
    help="Fail jobs whose answer is cut off (length), declined (refusal) or empty; checked when the answer"
    " arrives.",
)
@click.option("--timeout", type=flags.Duration(), help="Stop waiting after this time (90s, 2h); exit 7.")
@flags.on_end_flag
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(file: Path, **given: Any) -> int:
    """Load FILE, send its jobs, collect the answers, write three files and show the cost.

    The same command again continues where it stopped: nothing that was paid for is sent again. Flags such
    as --rpm, --limit and -o apply to this call only; without them the defaults apply. Only --budget is kept
    with the run. FILE may be - for stdin.

    \b
    Example, first 20 jobs, then the rest:
      runner run reviews.jsonl --limit 20
      runner run reviews.jsonl
    Example, every night; started again in the same night it carries on:
      runner run questions.jsonl --occasion today
    """
    settings = read_settings()
    run_flags = flags.RunFlags(**given)
    flags.refuse_two_models(run_flags.model_for_all)
    with engine_lease(settings) as lease:
        if is_likely_new(file, run_flags) and settings.api_key is not None:
            check_connections(settings)
            lease.start_early()
        with gc_paused():
            from runner.cli.session.run_file import run_file  # the engine starts while this is imported

        return run_file(settings, lease, file, run_flags)


def is_likely_new(file: Path, given: flags.RunFlags) -> bool:
    """Return whether there is probably work: the file exists, and no summary of an earlier run does."""
    output = given.output or _likely_output(file, given.name, given.occasion)
    return file.is_file() and not paths(output).summary.exists()


def _likely_output(file: Path, name: str | None, occasion: str | None) -> Path:
    if occasion is None:
        return default_output(file)
    word = day_word(datetime.now().astimezone()) if is_today(occasion) else occasion
    stem = name or stem_of_file(file.name)
    return occasion_output(stem, run_name(stem, word))
