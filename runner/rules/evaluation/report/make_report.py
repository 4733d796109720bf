"""The report of a night from its facts: every gate, score, item and possible cause, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from runner.rules.evaluation.gate.pool import pool_of
from runner.rules.evaluation.report.column_night import NightColumns
from runner.rules.evaluation.report.gate_reports import gate_reports
from runner.rules.evaluation.report.grader_reports import grader_reports
from runner.rules.evaluation.report.item_changes import items_report
from runner.rules.evaluation.report.joined_counts import joined_counts
from runner.rules.evaluation.report.night_facts import Column
from runner.rules.evaluation.report.night_report import AnswersReport, NightCost, NightReport
from runner.rules.evaluation.report.night_services import change_reports, service_reports
from runner.rules.evaluation.report.verdicts import EXIT_CODES, deciding_gate, sentence_of
from runner.rules.json_object import SCHEMA

if TYPE_CHECKING:
    from runner.rules.evaluation.report.night_facts import AnswerCounts, NightFacts


def night_report(facts: NightFacts) -> NightReport:
    """Return the report of a night; the suite has at least one item and one gate."""
    columns = NightColumns(facts)
    suite = facts.suite
    accepted = pool_of(facts.past)
    gates = gate_reports(columns)
    deciding = deciding_gate(gates)
    primary = Column(suite.subjects[0].name, suite.primary.name)
    pool = columns.beside(primary, suite.baseline_of(suite.primary.name)).baseline.nights
    return NightReport(
        schema=SCHEMA,
        suite=suite.name,
        night=facts.night,
        occasion=facts.occasion,
        verdict=deciding.verdict,
        exit_code=EXIT_CODES[deciding.verdict],
        reason=sentence_of(deciding),
        runs=[measurement.run for measurement in facts.measurements],
        epochs=suite.epochs,
        baseline=[night.name for night in pool],
        gates=[replace(gate, is_deciding=gate is deciding) for gate in gates],
        graders=grader_reports(columns),
        answers=_answers(joined_counts(facts), accepted[-1].answers if accepted else None),
        items=items_report(columns),
        services=service_reports(facts, accepted),
        changes=change_reports(facts, accepted),
        cost=NightCost(
            ticks=facts.costs.ticks,
            uncertain_ticks=facts.costs.uncertain_ticks,
            requests=facts.costs.requests,
        ),
    )


def _answers(counts: AnswerCounts, was: AnswerCounts | None) -> AnswersReport:
    return AnswersReport(
        expected=counts.expected,
        answered=counts.answered,
        refused=counts.refused,
        cut=counts.cut,
        empty=counts.empty,
        lost=dict(counts.lost),
        redrawn=counts.redrawn,
        was_refused=None if was is None else was.refused,
        was_cut=None if was is None else was.cut,
        was_empty=None if was is None else was.empty,
    )
