"""What follows the verdict of a night: its files, and the call of the user's command, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from runner.db.evaluation import facts, nights
from runner.evals import on_end
from runner.evals.item_lines import item_lines
from runner.evals.night_options import read_options
from runner.evals.report_files import write_report_files
from runner.evals.suite_json import suite_of_json
from runner.rules.errors import Bug
from runner.rules.evaluation.night_report import NightReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedNight:
    """A night that has ended, with its newest report."""

    row: NightRow
    report: NightReport

    @property
    def output(self) -> Path | None:
        """Return the stem of its files, where it has any."""
        written = read_options(self.row.options).output
        return None if written is None else Path(written)


def read_end(database: Database, night_id: int) -> EndedNight:
    """Return a night that has ended."""
    with database.read() as connection:
        row, report = nights.find_by_id(connection, night_id), nights.report(connection, night_id)
    if row is None or report is None:
        raise Bug(f"night {night_id} has no report")
    return EndedNight(row=row, report=msgspec.json.decode(report, type=NightReport))


def write_files(database: Database, ended: EndedNight, *, force: bool) -> Sequence[Path]:
    """Write the report files of a night; return their paths. Raises UsageError for files of others."""
    if ended.output is None:
        return ()
    with database.read() as connection:
        known = facts.read_facts(connection, ended.row, suite_of_json(ended.row.spec))
    return write_report_files(ended.output, ended.report, item_lines(known), force=force)


def call_on_end(database: Database, ended: EndedNight, *, to: IO[Any]) -> str | None:
    """Call the night's --on-end command, unless it was called for this end; return what went wrong."""
    command = read_options(ended.row.options).on_end
    if command is None:
        return None
    with database.write() as connection:
        if not nights.claim_on_end(connection, ended.row.id, database.now_ms()):
            return None
    return on_end.call(command, ended.report, ended.output, to=to)
