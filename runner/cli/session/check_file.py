"""Read a job file and estimate it, for `check`; nothing is kept or sent."""

from __future__ import annotations

import sys
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.cli.printing import print_note
from runner.cli.render.check_report import CheckResult, OutputSource
from runner.engine.doubt import pricing_by
from runner.intake.load import refuse_no_file
from runner.intake.reading import FINDINGS_SHOWN, Reading, Shaping, shown
from runner.rules import outputs
from runner.rules.errors import RunnerError, UsageError
from runner.rules.estimate import Tally, estimate

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.earlier import Earlier
    from runner.settings import Settings


def check_file(
    settings: Settings,
    file: Path,
    shaping: Shaping,
    *,
    rpm: int | None,
    tpm: int | None,
    expected_output: int | None,
) -> CheckResult:
    """Read `file` ("-" is stdin) to its end and estimate it. Raises UsageError if it cannot be read.

    `expected_output`: tokens of an answer as given by the user; None is not given.
    """
    if str(file) != "-":
        refuse_no_file(file)
    pricing = pricing_by(settings.base_url, settings.prices)
    tally = Tally(datetime.now(UTC).date(), pricing.prices)
    reading = Reading(file if str(file) != "-" else sys.stdin.buffer, shaping, tally)
    try:
        deque(reading.requests(), maxlen=0)  # a loop would hold one large line while the next is read
    except OSError as error:
        what = f"the job file cannot be read: {file}: {error.strerror}"
        raise UsageError(what, fix="check the path") from error
    known, source = _outputs(tally, reading, settings, file, expected_output)
    return CheckResult(
        file=str(file),
        size_bytes=reading.lines.byte_count,
        sha256=reading.lines.sha256,
        lines=reading.lines.line_count,
        is_accepted=reading.is_accepted,
        skips_bad=shaping.skip_bad and reading.may_skip,
        bad_total=reading.bad_total,
        bad_shown=reading.bad[:FINDINGS_SHOWN],
        bad_sentences=shown(reading.bad, reading.bad_total),
        warnings_total=reading.warnings_total,
        warnings=reading.warnings,
        warnings_shown=reading.warnings[:FINDINGS_SHOWN],
        estimate=estimate(tally, outputs=known, rpm=rpm, tpm=tpm, base_host=pricing.base_host),
        output_source=source,
    )


def _outputs(
    tally: Tally, reading: Reading, settings: Settings, file: Path, expected: int | None
) -> tuple[dict[str, outputs.Outputs], OutputSource]:
    """Return the tokens of an answer by model as far as they are known, and where they come from."""
    names = {name for name, _, _ in tally.sums}
    if expected is not None:
        known = dict.fromkeys(names, outputs.Outputs(expected, expected))
        return known, OutputSource(expected=expected)
    earlier = _earlier(settings, reading.lines.sha256, file) if names else None
    if earlier is None:
        return {}, OutputSource()
    learnt = {name: found for name in names if (found := outputs.learn(earlier.counts, name)) is not None}
    return learnt, OutputSource(run=earlier.run_id if learnt else None, learnt=learnt)


def _earlier(settings: Settings, sha256: str, file: Path) -> Earlier | None:
    """Return what earlier runs of the file had; None if there is no database to ask."""
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
        why = str(error).splitlines()[0]
        print_note(f"note: earlier runs were not looked at, the database does not answer: {why}")
        return None
