"""The report of a night as lines of text, at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.cli.render.folded_text import folded
from runner.cli.render.text_cells import padded
from runner.rules.evaluation.forms.night_words import (
    VERDICT_WORDS,
    answers_words,
    causes_words,
    cost_words,
    gate_name,
    headline,
    is_said_by_scores,
    items_words,
    night_date,
    reason_words,
    sentence,
    services_words,
    short_name,
    stopping_gates,
    variants,
)
from runner.rules.evaluation.forms.score_words import (
    chance_words,
    change_words_among,
    gate_of,
    item_change,
    item_words,
    score_words,
    unscored_words,
)
from runner.rules.evaluation.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.rules.evaluation.report.night_report import GraderReport, ItemReport, NightReport

_WIDTH: Final = 80
_INDENT: Final = 2
_BEGIN: Final = 12  # cells, with the label
_LINES_MAX: Final = 12
_WORST_SHOWN: Final = 5
_MOVED: Final = (Verdict.REGRESSED, Verdict.IMPROVED)  # verdicts that are about the change of a score


def night_lines(report: NightReport) -> list[str]:
    """Return the screen of a night: verdict and exit code, scores, what was measured, causes, items, cost."""
    head = f"{short_name(report.suite)}, night {night_date(report)}: {headline(report)}"
    parts = [] if is_said_by_scores(report) else [("why", reason_words(report))]
    parts += _scores(report)
    parts.append(("measured", answers_words(report)))
    parts += _labeled("service", services_words(report))
    parts += _labeled("cause?", causes_words(report))
    parts.append(("items", items_words(report)))
    parts += _items(report)
    parts.append(("cost", cost_words(report)))
    return [
        *folded(head, _WIDTH, _LINES_MAX),
        *(line for label, words in parts for line in _paragraph(label, words)),
    ]


def night_items_lines(report: NightReport, changed: Iterable[ItemReport]) -> list[str]:
    """Return a line or two for each item that scores otherwise than in the baseline, the worst first."""
    found = sorted(changed, key=item_change)
    worse = sum(item_change(item) < 0 for item in found)
    head = f"{short_name(report.suite)}, night {night_date(report)}"
    return [
        *folded(
            f"{head}: {text.count(worse, 'item')} worse, {len(found) - worse:,} better", _WIDTH, _LINES_MAX
        ),
        *(line for item in found for line in _paragraph(_points(item), _item(item))),
    ]


def _scores(report: NightReport) -> Iterator[tuple[str, str]]:
    """Yield the scores of each variant, and the gates by which it did not pass."""
    names = variants(report)
    for variant in names:
        found = list(_scores_of(variant, report))
        if len(names) > 1 and found:
            yield "variant", short_name(variant) or "all"
        yield from found


def _scores_of(variant: str, report: NightReport) -> Iterator[tuple[str, str]]:
    for grader in report.graders:
        if grader.variant == variant:
            yield short_name(grader.grader), _score(grader, report)
    for gate in stopping_gates(report):
        if gate.variant == variant:
            yield "gate", f"{gate_name(gate)}: {VERDICT_WORDS[gate.verdict]}: {sentence(gate.text)}"


def _score(grader: GraderReport, report: NightReport) -> str:
    gate = gate_of(grader, report.gates)
    verdict = f"{VERDICT_WORDS[gate.verdict]}: " if gate is not None and gate.verdict in _MOVED else ""
    change = change_words_among(grader, report.graders)
    score = ", ".join(filter(None, (f"{verdict}{score_words(grader)}", change)))
    return "; ".join(filter(None, (score, chance_words(grader.change, gate), unscored_words(grader))))


def _items(report: NightReport) -> Iterator[tuple[str, str]]:
    """Yield the items that got worst, and the command that lists all. Quiet nights have one."""
    worse = [item for item in report.items.changes if item_change(item) < 0]
    for item in worse[: _WORST_SHOWN if report.exit_code else 1]:
        yield "", _item(item)
    if report.items.worse or report.items.better:
        yield "", f"all: runner compare {text.last_word(report.night)} --items"


def _item(item: ItemReport) -> str:
    variant = f" ({short_name(item.variant)})" if item.variant else ""
    return f"{short_name(item.id)}{variant}: {item_words(item)}"


def _points(item: ItemReport) -> str:
    return f"{round(100 * item_change(item)):+d}"


def _labeled(label: str, sentences: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield sentences, the first of them with a label."""
    for words in sentences:
        yield label, words
        label = ""


def _paragraph(label: str, words: str) -> list[str]:
    """Return a label and words behind it; a label too wide for its column has a line of its own."""
    lines = folded(words, _WIDTH - _BEGIN, _LINES_MAX)
    (head,) = folded(label, _WIDTH - _INDENT, 1)
    begin = padded(" " * _INDENT + head, _BEGIN)
    if not begin.endswith(" "):
        lines = ["", *lines]
    first, *rest = lines
    return [(begin + first).rstrip(), *(" " * _BEGIN + line for line in rest)]
