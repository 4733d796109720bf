"""Read a job file and estimate it, for `check`; nothing is stored or sent."""

from __future__ import annotations

import sys
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.cli.printing import print_note
from runner.cli.render.checks.check_report import CheckResult, OutputSource
from runner.cli.render.runs.load_notes import other_model_line
from runner.engine.runs.cost_bounds import PriceBasis
from runner.intake.input_file import STDIN, check_is_file
from runner.intake.job_file import DIAGNOSTICS_SHOWN, JobFileReader, LoadFlags
from runner.rules.costs.estimate import Tally, estimate
from runner.rules.errors import RunnerError, UsageError
from runner.rules.requests import output_estimate

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.intake.earlier_answers import EarlierAnswers
    from runner.settings import Settings


def check_file(
    settings: Settings,
    file: Path,
    shaping: LoadFlags,
    *,
    expected_output: int | None,
) -> CheckResult:
    """Read `file` ("-" is stdin) to its end and estimate it. Raises UsageError if it cannot be read.

    `expected_output`: tokens of an answer as given by the user; None is not given.
    """
    if file != STDIN:
        check_is_file(file)
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    tally = Tally(datetime.now(UTC).date(), price_basis.prices)
    reading = JobFileReader(file if file != STDIN else sys.stdin.buffer, shaping, tally)
    try:
        # not a loop: its variable would keep one large line in memory while the next is read
        deque(reading.requests(), maxlen=0)
    except OSError as error:
        what = f"the job file cannot be read: {file}: {error.strerror}"
        raise UsageError(what, fix="check the path") from error
    known, source = known_outputs(tally, reading.sha256, settings, file, expected_output)
    return CheckResult(
        file=str(file),
        size_bytes=reading.lines.byte_count,
        sha256=reading.lines.sha256,
        lines=reading.lines.line_count,
        is_accepted=reading.is_accepted,
        skips_bad=shaping.skip_bad and reading.can_skip_bad,
        bad_total=reading.bad_total,
        bad_shown=reading.bad_diagnostics[:DIAGNOSTICS_SHOWN],
        bad_sentences=reading.bad_sentences,
        cure=reading.bad_diagnostics[0].fix if reading.is_no_job_file else "",
        warnings_total=reading.warnings_total,
        warnings=reading.warnings,
        warnings_shown=reading.warnings[:DIAGNOSTICS_SHOWN],
        estimate=estimate(tally, outputs=known, limits=shaping.limits, base_host=price_basis.base_host),
        output_source=source,
        other_model_note=other_model_line(reading.other_model_total, shaping.given_model),
    )


def known_outputs(
    tally: Tally, sha256: str, settings: Settings, file: Path, expected: int | None
) -> tuple[dict[str, output_estimate.OutputRange], OutputSource]:
    """Return the tokens of an answer by model as far as they are known, and where they come from.

    `sha256` is that of the input `file`, `expected` the tokens that the user gave.
    """
    names = {name for name, _, _ in tally.sums}
    if expected is not None:
        known = dict.fromkeys(names, output_estimate.OutputRange(expected, expected))
        return known, OutputSource(expected=expected)
    earlier = _earlier(settings, sha256, file) if names else None
    if earlier is None:
        return {}, OutputSource()
    learnt = {
        name: found
        for name in names
        if (found := output_estimate.learnt_output(earlier.counts, name)) is not None
    }
    return learnt, OutputSource(run=earlier.run_id if learnt else None, learnt=learnt)


def _earlier(settings: Settings, sha256: str, file: Path) -> EarlierAnswers | None:
    """Return the answers of earlier runs of the file; None if there is no usable database."""
    if settings.embedded and not (settings.home / "runner.db").exists():
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from runner.db import migrate
    from runner.db.intake import earlier_answers
    from runner.db.session import Database

    try:
        database = Database(settings.effective_database_url)
        try:
            if migrate.revision(database) != migrate.HEAD:
                return None
            with database.read() as connection:
                return earlier_answers.read(connection, sha256, None if file == STDIN else file)
        finally:
            database.close()
    except (RunnerError, SQLAlchemyError) as error:
        why = str(error).splitlines()[0]
        print_note(f"note: the database does not answer, so earlier runs were not used: {why}")
        return None
