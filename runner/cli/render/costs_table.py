"""Costs as a table, as CSV and as JSON rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from runner.cli.render import layout, text
from runner.rules.money import usd
from runner.rules.redact import one_line
from runner.rules.spreadsheet import csv_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.daily_costs import DailyCost

_SUMS: Final = ("answers", "tokens", "reported_ticks", "estimated_ticks", "ticks")
_UNREAD: Final = ("unread", "probable_extra_ticks", "possible_extra_ticks")
_NAME_LENGTH: Final = 40


def grouped_costs(
    costs: Sequence[DailyCost], groups: Sequence[str], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Return a row with sums for each value of `groups` (run, model, day); `names`: run names by id."""
    parts: defaultdict[tuple[Any, ...], list[DailyCost]] = defaultdict(list)
    for cost in costs:
        parts[tuple(getattr(cost, name) for name in groups)].append(cost)
    rows = []
    row: dict[str, Any]
    for key in sorted(parts):
        row = {name: str(value) if name == "day" else value for name, value in zip(groups, key, strict=True)}
        if "run" in row:
            row["name"] = names.get(row["run"], "")
        rows.append({**row, **total_costs(parts[key])})
    return rows


def total_costs(costs: Sequence[DailyCost]) -> dict[str, int]:
    """Return the sums over all costs."""
    return {name: sum(getattr(cost, name) for cost in costs) for name in (*_SUMS, *_UNREAD)}


def costs_csv(rows: Sequence[dict[str, Any]], groups: Sequence[str]) -> str:
    """Return the rows as CSV with a heading."""
    headings = [*_headings(groups), *_SUMS]
    cells = (
        [*(row[name] for name in headings), usd(row["ticks"]), *(row[name] for name in _UNREAD)]
        for row in rows
    )
    return csv_text([[*headings, "usd", *_UNREAD], *cells])


def costs_table(rows: Sequence[dict[str, Any]], total: dict[str, int], groups: Sequence[str]) -> list[str]:
    """Return the rows as a table with a heading and the total."""
    names = _headings(groups)
    shown = [(*(one_line(str(row[name]), _NAME_LENGTH) for name in names), *_numbers(row)) for row in rows]
    last = ("total", *[""] * (len(names) - 1), *_numbers(total))
    first = (
        *(*names, "answers", "tokens", "cost"),
        "estimated part" if total["estimated_ticks"] else "",
        *(("+ about", "+ at most") if total["unread"] else ("", "")),
    )
    right = frozenset(range(len(names), len(first)))
    return layout.table(_without_empty_columns([first, *shown, last]), right=right)


def _without_empty_columns(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shown = [column for column, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    return [tuple(row[column] for column in shown) for row in rows]


def _headings(groups: Sequence[str]) -> list[str]:
    return [heading for name in groups for heading in ((name, "name") if name == "run" else (name,))]


def _numbers(sums: dict[str, Any]) -> tuple[str, ...]:
    known = f"{sums['answers']:,}", f"{sums['tokens']:,}", text.dollars(sums["ticks"])
    part = text.dollars(sums["estimated_ticks"]) if sums["estimated_ticks"] else ""
    if not sums["unread"]:
        return (*known, part, "", "")
    probable, possible = sums["probable_extra_ticks"], sums["possible_extra_ticks"]
    return (*known, part, text.dollars(probable), text.dollars(max(probable, possible)))
