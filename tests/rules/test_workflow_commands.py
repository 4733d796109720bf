"""Annotations of GitHub Actions: their escapes, what they are of, and that no text becomes a command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.forms.workflow_commands import (
    ANNOTATIONS_MAX,
    inert_line,
    night_annotations,
    workflow_command,
)
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.night_report import (
    AnswersReport,
    ChangeReport,
    GateReport,
    ItemsReport,
    NightCost,
    NightReport,
)
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")
OLD_COMMAND = re.compile(r"##\[")
HOSTILE = (
    "::set-env name=PATH::/tmp",
    "  ::stop-commands::x",
    "\u00a0\u3000::error::x",
    "\u200d::add-mask::a",
    ":\u200d:error::x",
    ":::error::x",
    "a\r\n::error::x",
    "##[add-mask]a",
    "text ##[error]a",
    "##\u200d[error]a",
    "50 %25%0A::error::x",
    "a::error title=b,file=c::d",
    "\x1b[31m\x00\x85\u2028::error::x",
    "\ud83d",
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.sampled_from(":#[]%\r\n ,=a\u200d\x1b\ud800"), max_size=20)
)


def commands_in(output: str) -> list[tuple[str, dict[str, str], str]]:
    """Return the commands that GitHub reads in some output: their names, properties and data.

    A parser of its own: a line with `::` first, after white space and ignored characters, or with `##[`.
    """
    found = []
    for raw in re.split(r"\r\n|\r|\n", output):
        line = re.sub(r"[\u200b-\u200f\u00ad]", "", raw).lstrip()
        if line.startswith("::") and "::" in line[2:]:
            head, data = line[2:].split("::", 1)
            name, _, rest = head.partition(" ")
            pairs = [pair.split("=", 1) for pair in rest.split(",") if "=" in pair]
            found.append((name, {key: _unescaped(value) for key, value in pairs}, _unescaped(data)))
        elif OLD_COMMAND.search(line):
            found.append(("##[", {}, line))
    return found


def _unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def gate(verdict: str, text: str = "why", *, variant: str = "", grader: str = "correct") -> GateReport:
    """Return a gate of a report."""
    return GateReport(
        variant=variant,
        grader=grader,
        rule="no-drop",
        verdict=Verdict(verdict),
        text=text,
        baseline=[],
        is_provisional=False,
        is_repeated=False,
        p=None,
        alpha=None,
        z=None,
        noise=None,
    )


def night(
    verdict: str, *, gates: Sequence[GateReport] = (), changes: Sequence[str] = (), **fields: Any
) -> NightReport:
    """Return a report with little in it."""
    counts = dict.fromkeys(("expected", "answered", "refused", "cut", "empty", "redrawn"), 0)
    was: dict[str, Any] = dict.fromkeys(("was_refused", "was_cut", "was_empty"))
    given: dict[str, Any] = {"suite": "s", "night": "s@2026-11-28", "occasion": "2026-11-28", "reason": "why"}
    return NightReport(
        schema=1,
        verdict=Verdict(verdict),
        exit_code={"regressed": 10, "no_verdict": 11, "not_proven": 11}.get(verdict, 0),
        runs=[1],
        epochs=1,
        baseline=[],
        gates=list(gates),
        graders=[],
        answers=AnswersReport(**counts, lost={}, **was),
        items=ItemsReport(total=0, same=0, added=[], removed=[], changed=[], worse=0, better=0, changes=[]),
        services=[],
        changes=[ChangeReport(what="model", text=text) for text in changes],
        cost=NightCost(ticks=0, uncertain_ticks=0, requests=0),
        **given | fields,
    )


@pytest.mark.parametrize(
    ("title", "message", "line"),
    [
        ("a", "b", "::error title=a::b"),
        ("1:2, 3", "1:2, 3", "::error title=1%3A2%2C 3::1:2, 3"),
        ("50 %", "50 %", "::error title=50 %25::50 %25"),
        ("a\r\nb", "a\r\nb", "::error title=a%0D%0Ab::a%0D%0Ab"),
        ("%0A", "%0A", "::error title=%250A::%250A"),
        ("\x1b[1m", "\x00\u2028", "::error title=\\x1b[1m::\\x00\\u2028"),
        ("##[x]", "##[x]", "::error title=## [x]::## [x]"),
    ],
)
def test_a_command_is_escaped_as_github_reads_it(title: str, message: str, line: str) -> None:
    """`%` and line ends in both parts, `:` and `,` in the title alone; other controls as what they are."""
    assert workflow_command("error", title, message) == line


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_written_is_what_github_reads(title: str, message: str) -> None:
    """Any printable text comes back as it was, and is one command on one line."""
    line = workflow_command("warning", title, message)
    ((name, properties, data),) = commands_in(line)
    assert LINE.fullmatch(line)
    assert name == "warning"
    if title.isprintable() and message.isprintable() and "##" not in title + message:
        assert (properties, data) == ({"title": title}, message)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_printed_line_is_no_command(text: str) -> None:
    """Whatever stands first in it; a harmless line stays as it is."""
    for line in re.split(r"[\r\n]+", text):
        assert commands_in(inert_line(line)) == []
    assert inert_line("  worse  a::b: 0/3, was 3/3  [x] ##") == "  worse  a::b: 0/3, was 3/3  [x] ##"


@given(st.text(st.sampled_from(":#[ a\u200d\u00a0"), max_size=12))
def test_no_line_is_a_command_after_it_was_made_inert(line: str) -> None:
    """Also not after it is done twice, and nothing but spaces is added."""
    made = inert_line(line)
    assert commands_in(made) == []
    assert made.replace(" ", "") == line.replace(" ", "")
    assert inert_line(made) == made


@pytest.mark.parametrize(
    ("verdict", "level", "title"),
    [
        ("regressed", "error", "s@2026-11-28: regressed (exit code 10)"),
        ("no_verdict", "warning", "s@2026-11-28: no verdict (exit code 11)"),
        ("not_proven", "warning", "s@2026-11-28: not proven (exit code 11)"),
        ("passed", "notice", "s@2026-11-28: passed"),
        ("improved", "notice", "s@2026-11-28: improved"),
        ("no_baseline", "notice", "s@2026-11-28: no baseline"),
    ],
)
def test_a_verdict_has_its_level(verdict: Verdict, level: str, title: str) -> None:
    """The title is name, verdict and exit code; the message is why, and what may be the cause."""
    (line,) = night_annotations(
        night(verdict, reason="5 points: less", changes=["prompt changed", "new model"])
    )
    message = "5 points: less\ncause? prompt changed\ncause? new model"
    assert commands_in(line) == [(level, {"title": title}, message)]


def test_gates_that_are_not_passed_have_annotations_of_their_own() -> None:
    """Where there are several; each with its own level, and at most as many as GitHub shows."""
    gates = [
        gate("passed"),
        gate("regressed", "fell", variant="new"),
        gate("not_proven", "few"),
        gate("no_baseline"),
    ]
    _, *found = [commands_in(line)[0] for line in night_annotations(night("regressed", gates=gates))]
    assert found == [
        ("error", {"title": "new, correct no-drop: regressed"}, "fell"),
        ("warning", {"title": "correct no-drop: not proven"}, "few"),
    ]
    one_failed = [gate("passed"), gates[1], gate("no_baseline")]
    assert len(night_annotations(night("regressed", gates=one_failed))) == 1, "the verdict says it already"
    assert len(night_annotations(night("regressed", gates=gates[1:2] * 40))) == ANNOTATIONS_MAX


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_text_of_a_night_becomes_a_command(name: str, reason: str, cause: str, text: str) -> None:
    """Names, reasons and causes, whatever is in them: each line is the one annotation that was meant."""
    gates = [gate("regressed", text, variant=name, grader=text), gate("no_verdict", text)]
    lines = night_annotations(night("regressed", night=name, reason=reason, changes=[cause], gates=gates))
    found = commands_in("\n".join(lines))
    assert [command for command, _, _ in found] == ["error", "error", "warning"]
    assert all(list(properties) == ["title"] for _, properties, _ in found)
    assert [plain(line) for line in lines] == lines
