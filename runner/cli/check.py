"""`runner check FILE`: what a job file holds, costs and takes. Reads only; needs no key and no engine."""

from __future__ import annotations

import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli import check_report, flags, json, text
from runner.cli.opening import read_settings
from runner.engine.doubt import pricing_by
from runner.intake.load import refuse_no_file
from runner.intake.reading import Reading, Shaping
from runner.rules import outputs
from runner.rules.errors import RunnerError, UsageError
from runner.rules.estimate import Tally, estimate
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.db.earlier import Earlier
    from runner.settings import Settings


@click.command("check", short_help="Tell what a job file holds, costs and takes. Sends nothing.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option("--model", default="grok-4", show_default=True, help="Model where a line names none.")
@click.option("--rpm", type=flags.Rate(), help="Requests a minute.  [default: the model's]")
@click.option("--tpm", type=flags.Rate(), help="Tokens a minute.  [default: the model's]")
@click.option(
    "--expect-output", type=click.IntRange(0, 10**9), metavar="N", help="Output tokens of an answer."
)
@click.option("--skip-bad", is_flag=True, help="Bad lines are no reason to refuse the file.")
@click.option("--strict", is_flag=True, help="Warnings are one, too.")
@flags.json_flag
def command(file: Path, *, as_json: bool, expect_output: int | None, **given: Any) -> int:
    """Read FILE and tell its bad lines, warnings, models, tokens, cost and time. Nothing is kept or sent.

    Output tokens are those of --expect-output, else what earlier runs of the file had, else assumed; the
    assumption is printed. Exit 3 where `runner run` would refuse the file. FILE may be - for stdin.

    \b
    Example, the most that a file may cost:
      runner check reviews.jsonl --json | jq -r .cost.usd.high
    """
    settings = read_settings()
    if str(file) != "-":
        refuse_no_file(file)
    shaping = Shaping(
        model=given["model"], skip_bad=given["skip_bad"], strict=given["strict"], tpm=given["tpm"] or None
    )
    pricing = pricing_by(settings.base_url, settings.prices)
    tally = Tally(datetime.now(UTC).date(), pricing.prices)
    reading = Reading(file if str(file) != "-" else sys.stdin.buffer, shaping, tally)
    try:
        deque(reading.requests(), maxlen=0)  # a loop would hold one large line while the next is read
    except OSError as error:
        what = f"the job file cannot be read: {file}: {error.strerror}"
        raise UsageError(what, fix="check the path") from error
    known, source = _outputs(tally, reading, settings, file, expect_output)
    found = check_report.Checked(
        file=str(file),
        reading=reading,
        estimate=estimate(
            tally, outputs=known, rpm=given["rpm"], tpm=given["tpm"], base_host=pricing.base_host
        ),
        output_from=source,
        skip_bad=given["skip_bad"],
    )
    if as_json:
        json.emit(check_report.as_object(found))
    else:
        for line in check_report.as_lines(found):
            text.out(line)
    return ExitCode.OK if reading.is_accepted else ExitCode.BAD_JOB_FILE


def _outputs(
    tally: Tally, reading: Reading, settings: Settings, file: Path, expected: int | None
) -> tuple[dict[str, outputs.Outputs], check_report.OutputFrom]:
    """Give the tokens of an answer by model as far as they are known, and where they come from."""
    names = {name for name, _, _ in tally.sums}
    if expected is not None:
        known = dict.fromkeys(names, outputs.Outputs(expected, expected))
        return known, check_report.OutputFrom(expected=expected)
    earlier = _earlier(settings, reading.lines.sha256, file) if names else None
    if earlier is None:
        return {}, check_report.OutputFrom()
    learnt = {name: found for name in names if (found := outputs.learn(earlier.counts, name)) is not None}
    return learnt, check_report.OutputFrom(run=earlier.run_id if learnt else None, learnt=learnt)


def _earlier(settings: Settings, sha256: str, file: Path) -> Earlier | None:
    """Ask the database for earlier runs of the file; None where there is no database to ask."""
    if settings.embedded and not (settings.home / "runner.db").exists():
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from runner.db import earlier, migrate
    from runner.db.session import Database

    try:
        database = Database(settings.effective_database_url)
        try:
            if migrate.revision(database) != migrate.HEAD:
                return None
            with database.read() as connection:
                return earlier.answers(connection, sha256, None if str(file) == "-" else file)
        finally:
            database.close()
    except (RunnerError, SQLAlchemyError) as error:
        said = str(error).splitlines()[0]
        text.note(f"note: earlier runs were not looked at, the database does not answer: {said}")
        return None
