"""The report of a night as Markdown, for files and for pages of CI: the same words as on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.evaluation.forms.inert_markdown import code_span, inert
from runner.rules.evaluation.forms.night_words import (
    VERDICT_WORDS,
    answers_words,
    causes_words,
    cost_words,
    gate_name,
    headline,
    items_words,
    night_date,
    reason_words,
    runs_words,
    sentence,
    services_words,
    short_name,
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
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.rules.evaluation.report.night_report import ItemReport, NightReport

_ITEMS_SHOWN: Final = 20


def night_markdown(report: NightReport) -> str:
    """Return a page of GitHub-flavoured Markdown. Texts of items and answers are shown, and do nothing."""
    title = f"# {inert(short_name(report.suite))}, night {inert(night_date(report))}: {headline(report)}"
    blocks = [
        [title],
        [f"**Why:** {inert(reason_words(report))}"],
        _table(("variant", "grader", "score", "change", "chance"), _grader_rows(report)),
        _table(("variant", "gate", "verdict", "why"), _gate_rows(report)),
        list(_facts(report)),
        *_items(report),
    ]
    return "\n".join("\n".join([*block, ""]) for block in blocks if block)


def _grader_rows(report: NightReport) -> Iterator[list[str]]:
    for grader in report.graders:
        name = inert(short_name(grader.grader))
        yield [
            inert(short_name(grader.variant)),
            f"**{name}**" if grader.is_primary and name else name,
            inert("; ".join(filter(None, (score_words(grader), unscored_words(grader))))),
            inert(change_words_among(grader, report.graders)),
            inert(chance_words(grader.change, gate_of(grader, report.gates))),
        ]


def _gate_rows(report: NightReport) -> Iterator[list[str]]:
    for gate in report.gates:
        variant, name, why = (
            inert(text) for text in (short_name(gate.variant), gate_name(gate), sentence(gate.text))
        )
        yield [variant, name, VERDICT_WORDS[gate.verdict], why]


def _facts(report: NightReport) -> Iterator[str]:
    facts = [
        ("measured", answers_words(report)),
        *(("answered by", words) for words in services_words(report)),
        *(("cause?", words) for words in causes_words(report)),
        ("items", items_words(report)),
        ("cost", cost_words(report)),
        ("runs", runs_words(report)),
    ]
    for label, words in facts:
        yield f"- **{label}** {inert(words)}"


def _items(report: NightReport) -> Iterator[list[str]]:
    """Yield a table of the items that got worse, and the command that lists all that changed."""
    worse = [item for item in report.items.changes if item_change(item) < 0]
    if worse:
        yield _table(("variant", "worse", "score"), _item_rows(worse[:_ITEMS_SHOWN]))
    if report.items.worse or report.items.better:
        yield [f"All items that changed: {code_span(f'runner compare {shell_word(report.night)} --items')}"]


def _item_rows(items: Iterable[ItemReport]) -> Iterator[list[str]]:
    for item in items:
        yield [inert(short_name(item.variant)), inert(short_name(item.id)), item_words(item)]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table, without its first column where that is empty; nothing without rows."""
    found = list(rows)
    first = 0 if any(row[0] for row in found) else 1
    lines = [_row(row[first:]) for row in found]
    return [_row(heads[first:]), _row(["---"] * len(heads[first:])), *lines] if lines else []


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
