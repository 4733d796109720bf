"""The gates of a suite, each for each variant: its verdict, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from runner.rules.evaluation.gate.night_gate import GateOutcome, night_noise
from runner.rules.evaluation.gate.scores import coverage
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report import gate_text
from runner.rules.evaluation.report.joined_counts import joined_losses
from runner.rules.evaluation.report.night_facts import Column
from runner.rules.evaluation.report.night_report import GateReport
from runner.rules.evaluation.report.verdicts import MEASURED, says_invalid
from runner.rules.evaluation.suite.suite import COMPARING_RULES, MEASURED_DEFAULT, GateSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runner.rules.evaluation.gate.scores import Coverage
    from runner.rules.evaluation.report.column_night import ColumnNight, NightColumns
    from runner.rules.evaluation.report.night_facts import NightFacts
    from runner.rules.statistics.comparison import Difference

_ROUNDING: Final = 1e-9
_WRONG, _RIGHT = 0, 1  # what an answer without a score may be


class Decision(NamedTuple):
    """What a gate says; `outcome` where it is one against a drop, `p` where it has one."""

    verdict: Verdict
    text: str
    outcome: GateOutcome | None = None
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateCase:
    """One gate for one variant."""

    facts: NightFacts
    gate: GateSpec
    night: ColumnNight
    side: Coverage

    @property
    def alpha(self) -> float:
        """Return the share of unchanged nights that may alarm."""
        return 1 / self.gate.false_alarm_nights

    @property
    def nights(self) -> int:
        """Return how many nights the gate compares with."""
        return len(self.night.baseline.nights)

    @property
    def unscored(self) -> int:
        """Return how many answers have no score."""
        return self.side.answers - self.side.measured


def gate_reports(columns: NightColumns) -> list[GateReport]:
    """Return what each gate says for each variant. Where too little was measured, no other has a verdict."""
    found: list[GateReport] = []
    for subject in columns.facts.suite.subjects:
        of_variant = [_report(_case(columns, gate, subject.name)) for gate in columns.facts.suite.gates]
        is_invalid = any(map(says_invalid, of_variant))
        found += _without_verdict(of_variant) if is_invalid else of_variant
    return found


def _case(columns: NightColumns, gate: GateSpec, variant: str) -> GateCase:
    column = Column(variant, gate.grader or columns.facts.suite.primary.name)
    night = columns.beside(column, gate.baseline)
    return GateCase(facts=columns.facts, gate=gate, night=night, side=coverage(night.together))


def _report(case: GateCase) -> GateReport:
    decision = _RULES[case.gate.rule](case)
    outcome = decision.outcome
    compares = case.gate.rule in COMPARING_RULES
    return GateReport(
        variant=case.night.column.variant,
        grader=case.gate.grader,
        rule=case.gate.rule,
        verdict=decision.verdict,
        text=decision.text,
        baseline=[night.name for night in case.night.baseline.nights] if compares else [],
        is_provisional=outcome is not None and outcome.is_provisional,
        is_repeated=outcome is not None and outcome.is_repeated,
        p=decision.p,
        alpha=case.alpha if compares else None,
        z=None if outcome is None else outcome.first_z,
        noise=night_noise(case.night.past_z).variance if compares and decision.p is not None else None,
    )


def _without_verdict(gates: list[GateReport]) -> Iterator[GateReport]:
    for gate in gates:
        if gate.rule == MEASURED:
            yield gate
        else:
            yield replace(gate, verdict=Verdict.NO_VERDICT, text=gate_text.invalid())


def _measured(case: GateCase) -> Decision:
    least = MEASURED_DEFAULT if case.gate.at_least is None else case.gate.at_least
    is_enough = case.side.measured >= (least - _ROUNDING) * case.side.answers
    lost = joined_losses(case.facts, case.night.column.variant)
    text = gate_text.measured(case.side.measured, case.side.answers, least, lost, is_enough=is_enough)
    return Decision(Verdict.PASSED if is_enough else Verdict.NO_VERDICT, text)


def _at_least(case: GateCase) -> Decision:
    floor, side = case.gate.at_least or 0.0, case.side
    if side.mean is None or (case.unscored and side.low < floor <= side.high):
        text = gate_text.undecided(case.unscored, Verdict.REGRESSED, Verdict.PASSED)
        return Decision(Verdict.NO_VERDICT, text)
    verdict = Verdict.PASSED if side.mean >= floor - _ROUNDING else Verdict.REGRESSED
    return Decision(verdict, gate_text.at_least(side.mean, floor))


def _no_worse(case: GateCase) -> Decision:
    found = case.night.change()
    if found is None:
        return Decision(Verdict.NO_BASELINE, gate_text.no_baseline(case.night.baseline, case.gate.baseline))
    verdict = _proven(case, found)
    worst, best = (_proven(case, case.night.change(unscored) or found) for unscored in (_WRONG, _RIGHT))
    if worst is not best:
        return Decision(Verdict.NO_VERDICT, gate_text.undecided(case.unscored, worst, best))
    text = gate_text.no_worse(found, _lower_bound(case, found), case.gate.margin or 0.0, case.nights)
    return Decision(verdict, text, p=found.tails.lower)


def _proven(case: GateCase, found: Difference) -> Verdict:
    is_proven = _lower_bound(case, found) > -(case.gate.margin or 0.0)
    return Verdict.PASSED if is_proven else Verdict.NOT_PROVEN


def _lower_bound(case: GateCase, found: Difference) -> float:
    """Return the lower bound of the one-sided interval."""
    return found.interval(1 - 2 * case.alpha).low


def _no_drop(case: GateCase) -> Decision:
    outcome = case.night.no_drop(alpha=case.alpha, remeasures=case.gate.remeasure)
    found = outcome.difference
    if found is None:
        return Decision(Verdict.NO_BASELINE, gate_text.no_baseline(case.night.baseline, case.gate.baseline))
    verdict, text = outcome.verdict, gate_text.drop(outcome, found, case.nights)
    if verdict is Verdict.MEASURE_AGAIN:
        text = gate_text.again(found, case.nights)
        if case.facts.cannot_remeasure is not None:
            verdict = Verdict.NO_VERDICT
            text = gate_text.cannot_remeasure(found, case.nights, case.facts.cannot_remeasure)
    elif case.unscored:
        worst, best = (_with_unscored(case, unscored) for unscored in (_WRONG, _RIGHT))
        if worst is not best:
            verdict, text = Verdict.NO_VERDICT, gate_text.undecided(case.unscored, worst, best)
    return Decision(verdict, text, outcome, found.tails.lower)


def _with_unscored(case: GateCase, unscored: int) -> Verdict:
    """Return whether the night has regressed, or not, with a score for each answer that has none.

    A first measurement that only then looks worse is not repeated for it: it decides alone.
    """
    outcome = case.night.no_drop(alpha=case.alpha, remeasures=case.gate.remeasure, unscored=unscored)
    has_dropped = outcome.verdict is Verdict.REGRESSED
    if outcome.verdict is Verdict.MEASURE_AGAIN and outcome.difference is not None:
        has_dropped = outcome.difference.tails.lower <= case.alpha
    return Verdict.REGRESSED if has_dropped else Verdict.PASSED


_RULES: Final[Mapping[str, Callable[[GateCase], Decision]]] = {
    "no-drop": _no_drop,
    "no-worse": _no_worse,
    "at-least": _at_least,
    MEASURED: _measured,
}
