"""What follows the verdict of a night: its files, and the call of the user's command, once for each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from runner.db.evaluation import nights
from runner.db.evaluation.on_end_claims import claim_on_end
from runner.evals.night import night_on_end
from runner.evals.night.item_lines import item_lines
from runner.evals.night.night_options import read_options
from runner.evals.night.report_files import check_report_places, report_paths, write_report_files
from runner.rules.errors import Bug
from runner.rules.evaluation.report.night_report import NightReport
from runner.rules.evaluation.suite.suite_json import decode_suite

if TYPE_CHECKING:
    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database
    from runner.evals.night.report_files import ReportPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedNight:
    """A night that has ended, with its newest report."""

    row: NightRow
    report: NightReport

    @property
    def files(self) -> ReportPaths:
        """Return where its files are."""
        return _paths(self.row)


def read_end(database: Database, night_id: int) -> EndedNight:
    """Return a night that has ended."""
    with database.read() as connection:
        row, report = nights.find_by_id(connection, night_id), nights.report(connection, night_id)
    if row is None or report is None:
        raise Bug(f"night {night_id} has no report")
    return EndedNight(row=row, report=msgspec.json.decode(report, type=NightReport))


def check_files(row: NightRow, *, force: bool) -> None:
    """Raise what `write_files` would, before a night is paid for: UserError where a file has no place."""
    check_report_places(_paths(row), night_tag(row), force=force)


def write_files(database: Database, ended: EndedNight, *, force: bool) -> None:
    """Write the report files of a night. Raises UsageError for files of others."""
    with database.read() as connection:
        lines = item_lines(connection, ended.row, decode_suite(ended.row.spec))
        write_report_files(
            _output(ended.row), ended.report, lines, night_tag=night_tag(ended.row), force=force
        )


def _output(row: NightRow) -> Path:
    """Return the folder of the files of a night, or their name without endings."""
    return Path(read_options(row.options).output)


def _paths(row: NightRow) -> ReportPaths:
    return report_paths(row.suite, row.name, _output(row))


def night_tag(row: NightRow) -> str:
    """Return what marks the files of a night as its own: 12 hex digits."""
    return hashlib.sha256(f"{row.name}:{row.id}:{row.created_at_ms}".encode()).hexdigest()[:12]


def call_on_end(
    database: Database, ended: EndedNight, *, output: Path | None, to: IO[Any] | int
) -> str | None:
    """Call the night's --on-end command, unless that was for this verdict last; return what went wrong.

    `output` is the .eval.json; None where it was not written.
    """
    command = read_options(ended.row.options).on_end
    if command is None:
        return None
    with database.write() as connection:
        if not claim_on_end(connection, ended.row.id, ended.report.verdict, database.now_ms()):
            return None
    return night_on_end.call(command, ended.report, output=output, to=to)
