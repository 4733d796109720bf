"""Costs as a table, as CSV and as JSON rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from runner.cli.render import layout, text
from runner.rules.json_object import MONEY, Date, JsonObject, Moment, Schema, about
from runner.rules.money import usd
from runner.rules.redact import one_line
from runner.rules.spreadsheet import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.db.counts.daily_costs import DailyCost

_SUMS: Final = ("answers", "tokens", "reported_ticks", "estimated_ticks", "ticks")
_UNREAD: Final = ("unread", "probable_extra_ticks", "possible_extra_ticks")
_NAME_LENGTH: Final = 40
_WIDTHS_MIN: Final = (("name", 20), ("model", 16), ("name", 12), ("model", 10))


_Answers = Annotated[int, about("with a known cost")]
_Tokens = Annotated[int, about("as the API counts")]
_Reported = Annotated[int, about(f"as the API reported, {MONEY}")]
_Estimated = Annotated[int, about("by the price table, where the API reported nothing")]
_Ticks = Annotated[int, about("both")]
_UnreadAnswers = Annotated[
    int, about("answers that nobody could read, and other attempts that may have cost something")
]
_Probable = Annotated[int, about("what these probably cost, beside that")]
_Possible = Annotated[int, about("what these may have cost at most, beside that")]
_Usd = Annotated[str, about("reported and estimated ticks, US dollars with eight places")]


class CostSums(JsonObject, frozen=True, kw_only=True):
    """Sums of costs."""

    answers: _Answers
    tokens: _Tokens
    reported_ticks: _Reported
    estimated_ticks: _Estimated
    ticks: _Ticks
    unread: _UnreadAnswers
    probable_extra_ticks: _Probable
    possible_extra_ticks: _Possible
    usd: _Usd


class CostRow(JsonObject, frozen=True, kw_only=True):
    """The costs of one group: by what they were added up (other keys are left out), then the sums."""

    run: Annotated[int, about("id of the run")] | UnsetType = UNSET
    model: Annotated[str, about("that answered")] | UnsetType = UNSET
    day: Annotated[Date, about("on which the answers came in (UTC)")] | UnsetType = UNSET
    name: Annotated[str, about("name of the run")] | UnsetType = UNSET
    answers: _Answers
    tokens: _Tokens
    reported_ticks: _Reported
    estimated_ticks: _Estimated
    ticks: _Ticks
    unread: _UnreadAnswers
    probable_extra_ticks: _Probable
    possible_extra_ticks: _Possible
    usd: _Usd


class CostReport(JsonObject, frozen=True, kw_only=True):
    """What was spent."""

    schema: Schema
    as_of: Annotated[Moment, about("when this was true")]
    rows: Annotated[list[CostRow], about("by run, model and day, or by what --by named")]
    total: Annotated[CostSums, about("their sum")]


def grouped_costs(
    costs: Sequence[DailyCost], groups: Sequence[str], names: Mapping[int, str]
) -> list[CostRow]:
    """Return a row with sums for each value of `groups` (run, model, day); `names`: run names by id."""
    parts: defaultdict[tuple[Any, ...], list[DailyCost]] = defaultdict(list)
    for cost in costs:
        parts[tuple(getattr(cost, name) for name in groups)].append(cost)
    rows = []
    group: dict[str, Any]
    for key in sorted(parts):
        group = {
            name: str(value) if name == "day" else value for name, value in zip(groups, key, strict=True)
        }
        if "run" in group:
            group["name"] = names.get(group["run"], "")
        rows.append(CostRow(**group, **asdict(total_costs(parts[key]))))
    return rows


def total_costs(costs: Sequence[DailyCost]) -> CostSums:
    """Return the sums over all costs."""
    sums = {name: sum(getattr(cost, name) for cost in costs) for name in (*_SUMS, *_UNREAD)}
    return CostSums(**sums, usd=usd(sums["ticks"]))


def costs_csv(rows: Sequence[CostRow], groups: Sequence[str]) -> str:
    """Return the rows as CSV with a heading."""
    headings = [*_headings(groups), *_SUMS, "usd", *_UNREAD]
    return csv_text([headings, *([getattr(row, name) for name in headings] for row in rows)])


def costs_table(rows: Sequence[CostRow], total: CostSums, groups: Sequence[str]) -> list[str]:
    """Return the rows as a table with a heading and the total.

    Names and models are cut where a line would exceed 80 columns; where that is not enough, the sums of a row
    stand on a line below.
    """
    names = _headings(groups)
    shown = [
        (*(one_line(str(getattr(row, name)), _NAME_LENGTH) for name in names), *_numbers(row)) for row in rows
    ]
    last = ("total", *[""] * (len(names) - 1), *_numbers(total))
    first = (
        *(*names, "answers", "tokens", "cost"),
        "estimated part" if total.estimated_ticks else "",
        *(("+ about", "+ at most") if total.unread else ("", "")),
    )
    right = frozenset(range(len(names), len(first)))
    fit = layout.Fit(right=right, steps=tuple(_steps(names)), fold_at=len(names))
    lines = layout.fitted_table(_without_empty_columns([first, *shown, last]), fit)
    return [line for each in lines for line in each]


def _steps(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield how far the columns of names and of models may be cut."""
    for name, least in _WIDTHS_MIN:
        if name in names:
            yield names.index(name), least


def _without_empty_columns(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shown = [column for column, found in enumerate(zip(*rows, strict=True)) if any(found)]
    return [tuple(row[column] for column in shown) for row in rows]


def _headings(groups: Sequence[str]) -> list[str]:
    return [heading for name in groups for heading in ((name, "name") if name == "run" else (name,))]


def _numbers(sums: CostSums | CostRow) -> tuple[str, ...]:
    known = f"{sums.answers:,}", f"{sums.tokens:,}", text.dollars(sums.ticks)
    part = text.dollars(sums.estimated_ticks) if sums.estimated_ticks else ""
    if not sums.unread:
        return (*known, part, "", "")
    probable, possible = sums.probable_extra_ticks, sums.possible_extra_ticks
    return (*known, part, text.dollars(probable), text.dollars(max(probable, possible)))
