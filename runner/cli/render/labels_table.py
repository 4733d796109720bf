"""The parts of a summary for people that only a run with labels has: rows by status, labels by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from msgspec.structs import asdict

from runner.cli.render import layout, text
from runner.rules.redact import one_line
from runner.rules.row_status import COMPLETE, RowStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.summary_object import LabeledRowCounts, RunSummary

VALUES_SHOWN: Final = 10  # of one field
_NAME_LENGTH: Final = 40


def rows_without_labels(rows: LabeledRowCounts) -> int:
    """Return how many rows the errors file has."""
    return sum(n for status, n in by_status(rows).items() if status not in COMPLETE)


def by_status(rows: LabeledRowCounts) -> dict[RowStatus, int]:
    """Return the rows by status, in the order in which they are shown."""
    return {status: getattr(rows, status.value) for status in RowStatus}


def label_lines(summary: RunSummary) -> list[str]:
    """Return the commonest values of each counted field, and how often answers were asked for."""
    if summary.labels is UNSET or summary.asks is UNSET:
        return []
    lines = []
    for field, values in summary.labels.items():
        rows = _value_rows(values)
        lines += [
            one_line(field, _NAME_LENGTH),
            *layout.indented(layout.table(rows, right=frozenset({1, 2}))),
        ]
    blocks = ["", "labels", *layout.indented(lines)] if lines else []
    asks = {name: n for name, n in asdict(summary.asks).items() if n and name != "first"}
    if asks:
        shown = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in asks.items())
        blocks += ["", f"asks: {text.count(summary.asks.first, 'job')}, {shown}"]
    return blocks


def _value_rows(values: Mapping[str, int]) -> list[tuple[str, str, str]]:
    total = sum(values.values())
    ordered = list(values.items())
    rows = [
        (one_line(value, _NAME_LENGTH), f"{n:,}", f"{100 * n / total:.1f} %")
        for value, n in ordered[:VALUES_SHOWN]
    ]
    more = ordered[VALUES_SHOWN:]
    if more:
        n = sum(n for _, n in more)
        rows.append((f"… {text.count(len(more), 'other value')}", f"{n:,}", f"{100 * n / total:.1f} %"))
    return rows
