"""What is said of a whole night in words, the same on the screen and in files.

Every text of the report comes out as one line, without control characters and not too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.counted import count, listed
from runner.rules.evaluation.forms.score_words import gate_of
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.verdicts import MEASURED
from runner.rules.money import dollars
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.report.night_report import GateReport, NightReport, ServiceReport

VERDICT_WORDS: Final[Mapping[Verdict, str]] = {
    Verdict.PASSED: "PASSED",
    Verdict.IMPROVED: "IMPROVED",
    Verdict.REGRESSED: "REGRESSED",
    Verdict.NOT_PROVEN: "NOT PROVEN",
    Verdict.NO_VERDICT: "NO VERDICT",
    Verdict.NO_BASELINE: "NO BASELINE YET",
    Verdict.MEASURE_AGAIN: "NO VERDICT YET",
}
STOPPING: Final = frozenset(
    {Verdict.REGRESSED, Verdict.NOT_PROVEN, Verdict.NO_VERDICT, Verdict.MEASURE_AGAIN}
)
_SAID_BY_SCORES: Final = frozenset({Verdict.PASSED, Verdict.IMPROVED, Verdict.REGRESSED})
_NAME_LENGTH: Final = 40
_SENTENCE_LENGTH: Final = 500
_CODES_SHOWN: Final = 4
_SERVICES_SHOWN: Final = 5


def short_name(text: str) -> str:
    """Return a name of the report as one line that is not too long."""
    return one_line(text, _NAME_LENGTH)


def sentence(text: str) -> str:
    """Return a sentence of the report as one line that is not too long."""
    return one_line(text, _SENTENCE_LENGTH)


def headline(report: NightReport) -> str:
    """Return the verdict and the exit code: `REGRESSED (exit 10)`."""
    return f"{VERDICT_WORDS[report.verdict]} (exit {report.exit_code})"


def night_date(report: NightReport) -> str:
    """Return the part of the night's name behind the suite: `2026-11-28`, or `2026-11-28.2`."""
    return _date(report.night)


def reason_words(report: NightReport) -> str:
    """Return why the night has its verdict: the gate that decided, and what it says."""
    gate = _deciding_gate(report)
    if gate is None:
        return sentence(report.reason)
    variant = f" ({short_name(gate.variant)})" if gate.variant else ""
    return f"{gate_name(gate)}{variant}: {sentence(gate.text)}"


def is_said_by_scores(report: NightReport) -> bool:
    """Return whether the line of a score says already why the night has its verdict."""
    return _deciding_gate(report) in _gates_of_scores(report)


def gate_name(gate: GateReport) -> str:
    """Return a gate's name: `no-drop of correct`; without its variant."""
    return short_name(gate.rule) + (f" of {short_name(gate.grader)}" if gate.grader is not None else "")


def stopping_gates(report: NightReport) -> list[GateReport]:
    """Return the other gates by which the night did not pass, save those that the line of a score shows.

    There are none where too little was measured, as that is what all of them say then.
    """
    deciding = _deciding_gate(report)
    if deciding is not None and deciding.rule == MEASURED:
        return []
    shown = [deciding, *_gates_of_scores(report)]
    return [gate for gate in report.gates if gate.verdict in STOPPING and gate not in shown]


def variants(report: NightReport) -> list[str]:
    """Return the variants that have scores or gates, in the order of the suite; "" is that of all answers."""
    scored = [grader.variant for grader in report.graders]
    return list(dict.fromkeys([*scored, *(gate.variant for gate in report.gates)]))


def answers_words(report: NightReport) -> str:
    """Return how many answers there are, which are lost, refused, cut or empty, and what was before."""
    answers = report.answers
    parts = [f"{answers.answered:,} of {count(answers.expected, 'answer')}"]
    if answers.lost:
        codes = [f"{short_name(code)} {n:,}" for code, n in answers.lost.items()]
        parts.append(f"{sum(answers.lost.values()):,} lost ({listed(codes, _CODES_SHOWN)})")
    counts = (
        ("refused", answers.refused, answers.was_refused),
        ("cut", answers.cut, answers.was_cut),
        ("empty", answers.empty, answers.was_empty),
    )
    for word, now, was in counts:
        if now or was:
            parts.append(f"{now:,} {word}" + (f" (was {was:,})" if was not in (None, now) else ""))
    if answers.redrawn:
        parts.append(f"{answers.redrawn:,} came again and do not count")
    return "; ".join(parts)


def services_words(report: NightReport) -> list[str]:
    """Return which models and fingerprints answered, and when; nothing where there is one, as before."""
    found = report.services
    if len(found) < 2 and not any(service.is_new for service in found):
        return []
    lines = [_service(service) for service in found[:_SERVICES_SHOWN]]
    more = len(found) - len(lines)
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def causes_words(report: NightReport) -> list[str]:
    """Return what differs from the newest night of the baseline; that nothing does, where a score fell."""
    if report.changes:
        return [sentence(change.text) for change in report.changes]
    if any(gate.verdict is Verdict.REGRESSED for gate in _gates_of_scores(report)):
        return ["nothing is known to differ: model, fingerprint, prompt, items and graders are as before"]
    return []


def items_words(report: NightReport) -> str:
    """Return how many items there are, how they differ in score, and which are other ones than before.

    An item of several variants is worse or better in each of them for itself.
    """
    items = report.items
    of_variants = len({grader.variant for grader in report.graders})
    total = f"{items.total:,}"
    if of_variants > 1:
        total = f"{items.total * of_variants:,} ({items.total:,} x {of_variants:,} variants)"
    is_compared = any(grader.is_primary and grader.change is not None for grader in report.graders)
    beside = (("added", items.added), ("removed", items.removed), ("with other content", items.changed))
    parts = [
        f"{items.worse:,} worse, {items.better:,} better, of {total}" if is_compared else f"{items.total:,}",
        *(f"{_few(ids)} {word}" for word, ids in beside if ids),
    ]
    return "; ".join(parts)


def cost_words(report: NightReport) -> str:
    """Return what the night cost: `$3.12 for 1,500 requests`."""
    cost = report.cost
    if cost is None:
        return "unknown: a run of the night was removed"
    words = f"{dollars(cost.ticks)} for {count(cost.requests, 'request')}"
    return words + (f"; up to {dollars(cost.uncertain_ticks)} more is uncertain" * (cost.uncertain_ticks > 0))


def runs_words(report: NightReport) -> str:
    """Return the runs of the night, and the dates of the nights that it was compared with."""
    runs = ", ".join(map(str, report.runs))
    return f"{runs}; compared with {_span(report.baseline)}" if report.baseline else runs


def _span(names: Sequence[str]) -> str:
    first, last = _date(names[0]), _date(names[-1])
    return first if len(names) == 1 else f"{len(names):,} nights, {first} to {last}"


def _deciding_gate(report: NightReport) -> GateReport | None:
    return next((gate for gate in report.gates if gate.is_deciding), None)


def _gates_of_scores(report: NightReport) -> list[GateReport]:
    """Return the gates that the lines of scores have all about."""
    gates = (gate_of(grader, report.gates) for grader in report.graders if grader.change is not None)
    return [gate for gate in gates if gate is not None and gate.verdict in _SAID_BY_SCORES]


def _date(night: str) -> str:
    return short_name(night.rpartition("@")[2])


def _few(ids: Sequence[str]) -> str:
    """Return the number of some items, with their ids where they are few."""
    return f"{len(ids):,}" + (f" ({', '.join(map(short_name, ids))})" if len(ids) <= 3 else "")


def _service(service: ServiceReport) -> str:
    parts = [
        short_name(service.model) if service.model else "a model without a name",
        f"as {short_name(service.fingerprint)}" if service.fingerprint else "without a fingerprint",
    ]
    new = " (new)" if service.is_new else ""
    since, until = _clock(service.first_at), _clock(service.last_at)
    return f"{' '.join(parts)}: {count(service.answers, 'answer')}, {since} to {until} UTC{new}"


def _clock(moment: str) -> str:
    """Return the hours and minutes of a moment, which is in UTC."""
    return short_name(moment[11:16])
