"""The verdict of a night from those of its gates, and the exit code that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.report.night_report import GateReport, NightReport

MEASURED: Final = "measured"

# The worst first: the verdict of a night is the worst of its gates. A drop that is certain needs no second
# measurement; one that is not is measured again before anything else is said. What had to be proven and was
# not comes before what could not be asked yet.
EXIT_CODES: Final[Mapping[Verdict, ExitCode]] = {
    Verdict.REGRESSED: ExitCode.REGRESSED,
    Verdict.MEASURE_AGAIN: ExitCode.NO_VERDICT,
    Verdict.NO_VERDICT: ExitCode.NO_VERDICT,
    Verdict.NOT_PROVEN: ExitCode.NO_VERDICT,
    Verdict.NO_BASELINE: ExitCode.OK,
    Verdict.IMPROVED: ExitCode.OK,
    Verdict.PASSED: ExitCode.OK,
}
_ORDER: Final = list(EXIT_CODES)
_STAYS_OUTSIDE: Final = (Verdict.REGRESSED, Verdict.MEASURE_AGAIN, Verdict.NO_VERDICT)


def deciding_gate(gates: Sequence[GateReport]) -> GateReport:
    """Return the gate whose verdict is that of the night: `measured` where too little is, else the worst.

    Of equally bad ones it is the first.
    """
    invalid = [gate for gate in gates if says_invalid(gate)]
    return invalid[0] if invalid else min(gates, key=lambda gate: _ORDER.index(gate.verdict))


def sentence_of(gate: GateReport) -> str:
    """Return why a gate says what it says, with the variant and the grader that it is for."""
    names = ", ".join(name for name in (gate.variant, gate.grader) if name)
    return f"{names}: {gate.text}" if names else gate.text


def is_valid(report: NightReport) -> bool:
    """Return whether enough of a night was measured: else no later night is compared with it."""
    return not any(says_invalid(gate) for gate in report.gates)


def is_accepted_by_itself(report: NightReport) -> bool:
    """Return whether a night joins the baseline of the nights to come without a person's decision."""
    return is_valid(report) and report.verdict not in _STAYS_OUTSIDE


def says_invalid(gate: GateReport) -> bool:
    """Return whether a gate says that too little of a night was measured."""
    return gate.rule == MEASURED and gate.verdict is Verdict.NO_VERDICT
