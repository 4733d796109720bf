"""The parts of a summary for people that only a run with labels has: rows by status, labels by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from msgspec.structs import asdict

from runner.cli.render import layout, text
from runner.rules.labels.row_status import COMPLETE, RowStatus
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.summary_object import AskCounts, LabeledRowCounts, RunSummary

VALUES_SHOWN: Final = 10  # of one field
_NAME_LENGTH: Final = 40


def rows_without_labels(rows: LabeledRowCounts) -> int:
    """Return how many rows the errors file has."""
    return sum(n for status, n in by_status(rows).items() if status not in COMPLETE)


def by_status(rows: LabeledRowCounts) -> dict[RowStatus, int]:
    """Return the rows by status, in the order in which they are shown."""
    return {status: getattr(rows, status.value) for status in RowStatus}


def label_lines(summary: RunSummary) -> list[str]:
    """Return the commonest values of each counted field, and how often answers were asked for.

    A row counts once for each of its values, so the shares of a list add up to more or less than 100 %.
    """
    if summary.labels is UNSET or summary.asks is UNSET or summary.rows is UNSET:
        return []
    lines = []
    for field, values in summary.labels.items():
        rows = _value_rows(values, summary.rows.ok)
        lines += [
            one_line(field, _NAME_LENGTH),
            *layout.indented(layout.table(rows, right=frozenset({1, 2}))),
        ]
    heading = f"labels, as shares of {text.count(summary.rows.ok, 'ok row')}"
    blocks = ["", heading, *layout.indented(lines)] if lines else []
    return [*blocks, *_ask_lines(summary.asks)]


def _ask_lines(asks: AskCounts) -> list[str]:
    """Return how often answers were asked for; [] where each was asked for once."""
    found = {name: n for name, n in asdict(asks).items() if n and name != "first"}
    if not found:
        return []
    shown = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in found.items())
    return ["", f"asks: {text.count(asks.first, 'row')}, {shown}"]


def _value_rows(values: Mapping[str, int], ok_rows: int) -> list[tuple[str, str, str]]:
    commonest = sorted(values, key=lambda value: -values[value])
    shown, others = set(commonest[:VALUES_SHOWN]), commonest[VALUES_SHOWN:]
    rows = [
        (one_line(value, _NAME_LENGTH), f"{n:,}", f"{100 * n / max(ok_rows, 1):.1f} %")
        for value, n in values.items()
        if value in shown
    ]
    if others:  # a row may have several of them, so they have no share
        n = sum(values[value] for value in others)
        rows.append((f"… {text.count(len(others), 'other value')}", f"{n:,}", ""))
    return rows
