"""Decides a night whose answers are graded: its report, and the end that follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from runner.db.counts import counters
from runner.db.evaluation import facts, nights
from runner.db.evaluation.measurements import measurements
from runner.db.evaluation.nights import NightState
from runner.db.evaluation.on_end_claims import count_as_reported
from runner.db.runs import runs
from runner.evals.night.stored_night import StoredNight, read_night
from runner.rules.errors import Bug
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.make_report import night_report
from runner.rules.evaluation.report.verdicts import is_accepted_by_itself, is_valid
from runner.rules.event_kinds import EventKind
from runner.rules.exit_codes import ExitCode
from runner.rules.json_object import encoded
from runner.rules.money import dollars
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import CommandEvent
    from runner.db.session import Database
    from runner.rules.evaluation.report.night_report import NightReport

_SPENT: Final = ("reported", "estimated", "possible_extra", "unpriced")


def decide(database: Database, night: StoredNight) -> NightReport:
    """Return the report of a night; store it and end the night, unless it has to be measured again."""
    with database.read() as connection:
        report = report_of(connection, night)
    if report.verdict is not Verdict.MEASURE_AGAIN:
        end(database, night, report)
    return report


def decide_again(database: Database, row: NightRow, event: CommandEvent) -> NightReport:
    """Return the report of a night that has ended by its present grades, and store it beside the earlier one.

    `event`: that of the command which asks for it.

    It does not ask for a second measurement: what it would need has not been answered. Its verdict needs no
    --on-end notification, as a person waits for it.
    """
    with database.read() as connection:
        night = read_night(connection, _found(nights.find_by_id(connection, row.id)))
        report = report_of(connection, night, cannot_remeasure="regrade sends nothing")
    end(database, night, report, by_hand=event)
    return report


def report_of(
    connection: Connection, night: StoredNight, *, cannot_remeasure: str | None = None
) -> NightReport:
    """Return the report of a night from what is stored of it and of the nights before."""
    known = facts.read_facts(connection, night.row, night.suite)
    why_not = cannot_remeasure or _why_not_again(connection, night)
    report = night_report(replace(known, cannot_remeasure=why_not))
    if _has_removed_run(connection, night):
        report = msgspec.structs.replace(report, cost=None)
    cut_short = _cut_short(connection, night)
    if cut_short is not None:
        report = msgspec.structs.replace(
            report,
            verdict=Verdict.NO_VERDICT,
            exit_code=cut_short.exit_code.value,
            reason=cut_short.reason,
            gates=[msgspec.structs.replace(gate, is_deciding=False) for gate in report.gates],
        )
    return report


def end(
    database: Database, night: StoredNight, report: NightReport, *, by_hand: CommandEvent | None = None
) -> None:
    """Store a report and end its night. A valid night that has not regressed enters the pool.

    `by_hand`: the event of a command by which a person has asked for it, and waits. A night that is in the
    pool stays there where it is valid, and no --on-end notification follows.
    """
    is_kept = night.row.is_accepted and is_valid(report)
    with database.write() as connection:
        nights.end(
            connection,
            night.row.id,
            verdict=report.verdict,
            exit_code=report.exit_code,
            is_valid=is_valid(report),
            is_accepted=is_accepted_by_itself(report) or (by_hand is not None and is_kept),
            report=encoded(report),
            now_ms=database.now_ms(),
            is_regrade=night.row.state is NightState.ENDED,
        )
        if by_hand is not None:
            count_as_reported(connection, night.row.id, database.now_ms())
            by_hand.extended(
                connection,
                database.now_ms(),
                EventKind.GRADED_AGAIN,
                old={"verdict": night.row.verdict},
                new={"verdict": report.verdict},
            )


def _found(row: NightRow | None) -> NightRow:
    if row is None:
        raise Bug("the night is gone")
    return row


def remaining_ticks(connection: Connection, night: StoredNight, run_id: int | None = None) -> int | None:
    """Return what the budget leaves for a further measurement, or that of a run; None without a budget."""
    budget = night.options.budget_ticks
    return budget - sum(_spent_ticks(connection, night, but=run_id)) if budget else None


def _why_not_again(connection: Connection, night: StoredNight) -> str | None:
    """Return why the budget does not allow a second measurement; None where it does."""
    spent = _spent_ticks(connection, night)
    budget = night.options.budget_ticks
    if not budget or len(spent) != 1 or budget - spent[0] >= spent[0]:
        return None
    return (
        f"the budget leaves {dollars(max(0, budget - spent[0]))}, and a second measurement costs about"
        f" {dollars(spent[0])}; --new with a larger --budget measures the night afresh"
    )


def _spent_ticks(connection: Connection, night: StoredNight, but: int | None = None) -> list[int]:
    """Return what each measurement cost so far, possible costs included; without that of the run `but`."""
    measured = measurements(connection, night.row.id)
    counts = [counters.read(connection, one.run_id) for one in measured if one.run_id != but]
    return [sum(found.get(("ticks", key), 0) for key in _SPENT) for found in counts]


class _CutShort(NamedTuple):
    exit_code: ExitCode
    reason: str


_CANCELLED: Final = _CutShort(ExitCode.CANCELLED, "its run was cancelled before all answers had come")
_REMOVED: Final = _CutShort(
    ExitCode.NO_VERDICT, "its run was removed before its answers were graded, and with it what it had cost"
)


def _has_removed_run(connection: Connection, night: StoredNight) -> bool:
    """Return whether a run of a night is gone, and with it the counters that say what it cost."""
    runs_of_night = [one.run_id for one in measurements(connection, night.row.id)]
    return any(runs.find_whole(connection, run_id) is None for run_id in runs_of_night)


def _cut_short(connection: Connection, night: StoredNight) -> _CutShort | None:
    """Return how a person has ended the newest measurement of a night before it was complete, if one has."""
    newest = measurements(connection, night.row.id)[-1]
    run = runs.find_whole(connection, newest.run_id)
    if run is None:
        return None if newest.is_graded else _REMOVED
    return _CANCELLED if run.state is RunState.CANCELLED else None
