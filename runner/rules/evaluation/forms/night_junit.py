"""The report of a night as JUnit XML: a test case for each gate, and none for items.

A wrong answer is no failed test: only gates pass or fail. A night without a verdict is an error, one without
a baseline is skipped.
"""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.forms.night_words import (
    VERDICT_WORDS,
    gate_name,
    headline,
    reason_words,
    sentence,
    short_name,
)
from runner.rules.evaluation.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.rules.evaluation.report.night_report import NightReport

_ELEMENTS: Final[Mapping[Verdict, str]] = {  # the others have passed
    Verdict.REGRESSED: "failure",
    Verdict.NOT_PROVEN: "error",
    Verdict.NO_VERDICT: "error",
    Verdict.MEASURE_AGAIN: "error",
    Verdict.NO_BASELINE: "skipped",
}


class _Case(NamedTuple):
    """A test case: the gate and its variant, its verdict, and why."""

    variant: str
    name: str
    verdict: Verdict
    why: str


def night_junit(report: NightReport) -> str:
    """Return the XML. It has a failure or an error exactly where the exit code is not 0."""
    cases = _cases(report)
    elements = Counter(_ELEMENTS.get(case.verdict) for case in cases)
    numbers = (
        f'tests="{len(cases)}" failures="{elements["failure"]}" errors="{elements["error"]}"'
        f' skipped="{elements["skipped"]}"'
    )
    suite = short_name(report.suite)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {_name(suite)} {numbers}>",
        f"  <testsuite {_name(suite)} {numbers}>",
        "    <properties>",
        *_properties(report),
        "    </properties>",
        *(line for case in cases for line in _lines(suite, case)),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join([*lines, ""])


def _cases(report: NightReport) -> list[_Case]:
    """Return a case for each gate; one for the night where no gate ends as the night does."""
    cases = [
        _Case(short_name(gate.variant), gate_name(gate), gate.verdict, sentence(gate.text))
        for gate in report.gates
    ]
    if _ELEMENTS.get(report.verdict) not in {_ELEMENTS.get(case.verdict) for case in cases}:
        cases.append(_Case("", "night", report.verdict, reason_words(report)))
    return _numbered(cases)


def _numbered(cases: Sequence[_Case]) -> list[_Case]:
    """Return the cases with a number behind a name that was there before, as CI joins equal names."""
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for case in cases:
        seen[case.variant, case.name] += 1
        number = seen[case.variant, case.name]
        numbered.append(case if number == 1 else case._replace(name=f"{case.name} ({number})"))
    return numbered


def _properties(report: NightReport) -> Iterator[str]:
    facts = {
        "night": short_name(report.night),
        "verdict": report.verdict,
        "exit_code": str(report.exit_code),
        "runs": " ".join(map(str, report.runs)),
        "summary": f"{headline(report)}: {reason_words(report)}",
    }
    for name, value in facts.items():
        yield f'      <property {_name(name)} value="{_safe(value)}"/>'


def _lines(suite: str, case: _Case) -> Iterator[str]:
    class_name = _safe(f"{suite}.{case.variant}" if case.variant else suite)
    begin = f'    <testcase classname="{class_name}" {_name(case.name)}'
    element = _ELEMENTS.get(case.verdict)
    if element is None:
        yield f"{begin}/>"
        return
    message = _safe(f"{VERDICT_WORDS[case.verdict]}: {case.why}")
    yield f"{begin}>"
    yield f'      <{element} type="{case.verdict}" message="{message}"/>'
    yield "    </testcase>"


def _name(value: str) -> str:
    return f'name="{_safe(value)}"'


def _safe(text: str) -> str:
    """Return words for an attribute; they have no control character, so none that XML 1.0 forbids."""
    return html.escape(text)
