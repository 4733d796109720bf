"""A night as annotations of GitHub Actions: `::error title=…::message`, a line of stdout for each.

GitHub takes a line of a step's output for a command if it begins with `::`, after white space, or has `##[`
anywhere. No text of a suite, an item or an answer may become one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.plain_words import verdict_words
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.rules.evaluation.report.night_report import GateReport, NightReport

Level = Literal["error", "warning", "notice"]
ANNOTATIONS_MAX: Final = 10  # of one level that GitHub shows of a step
TITLE_LENGTH_MAX: Final = 120
SENTENCE_LENGTH_MAX: Final = 400
CAUSES_MAX: Final = 5

_LEVELS: Final[Mapping[Verdict, Level]] = {
    Verdict.REGRESSED: "error",
    Verdict.NO_VERDICT: "warning",
    Verdict.NOT_PROVEN: "warning",
}
_IS_FINE: Final = frozenset({Verdict.PASSED, Verdict.IMPROVED, Verdict.NO_BASELINE})
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = _DATA | str.maketrans({":": "%3A", ",": "%2C"})
# Each of the two may have characters without a width before or within it: GitHub may overlook them.
_START: Final = re.compile(r"([^!-~]*:)(?=[^ -~]*:)")
_OLD_START: Final = re.compile(r"(#[^ -~]*#)(?=[^ -~]*\[)")


def workflow_command(level: Level, title: str, message: str) -> str:
    """Return one line that makes an annotation. Line ends of the message stay; other controls are escaped."""
    line = f"::{level} title={title.translate(_PROPERTY)}::{message.translate(_DATA)}"
    return _OLD_START.sub(r"\1 ", plain(line))


def inert_line(line: str) -> str:
    """Return a line of output so that GitHub takes it for no command: a space breaks what would begin one."""
    at_start = _START.match(line)
    if at_start is not None:
        line = f"{at_start[1]} {line[at_start.end() :]}"
    return _OLD_START.sub(r"\1 ", line)


def night_annotations(report: NightReport) -> list[str]:
    """Return the commands for a night: its verdict, then, if several gates are not passed, these."""
    code = f" (exit code {report.exit_code})" if report.exit_code else ""
    title = f"{report.night}: {verdict_words(report.verdict)}{code}"
    causes = [f"cause? {one.text}" for one in report.changes[:CAUSES_MAX]]
    lines = [_annotation(report.verdict, title, report.reason, *causes)]
    failed = [gate for gate in report.gates if gate.verdict not in _IS_FINE]
    if len(failed) > 1:
        lines += [_gate_annotation(gate) for gate in failed]
    return lines[:ANNOTATIONS_MAX]


def _gate_annotation(gate: GateReport) -> str:
    return _annotation(gate.verdict, ", ".join(_gate_title(gate)), gate.text)


def _gate_title(gate: GateReport) -> Iterator[str]:
    if gate.variant:
        yield gate.variant
    yield f"{gate.grader or 'answers'} {gate.rule}: {verdict_words(gate.verdict)}"


def _annotation(verdict: Verdict, title: str, *sentences: str) -> str:
    message = "\n".join(one_line(sentence, SENTENCE_LENGTH_MAX) for sentence in sentences)
    return workflow_command(_LEVELS.get(verdict, "notice"), one_line(title, TITLE_LENGTH_MAX), message)
