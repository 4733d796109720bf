"""`runner costs [RUN]`: what answers cost, by run, model and day."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags, json, text
from runner.cli.opening import existing_database, find_run, read_settings
from runner.db import costs, runs
from runner.rules.money import usd
from runner.rules.redact import one_line
from runner.rules.spreadsheet import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.costs import Cost

_GROUPS: Final = ("run", "model", "day")
_SUMS: Final = ("answers", "tokens", "reported_ticks", "estimated_ticks", "ticks")
_NAME_LENGTH: Final = 40


@click.command("costs", short_help="Show what was spent, by run, model and day.")
@flags.maybe_run_argument
@click.option(
    "--by",
    type=click.Choice(_GROUPS),
    multiple=True,
    help="What to add up by; may be given several times.  [default: all three]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV that a spreadsheet may open.")
@flags.json_flag
def command(run: str | None, *, by: tuple[str, ...], as_csv: bool, as_json: bool) -> None:
    """Show what the answers of RUN (an id or a name), or of all runs, have cost, to the tick.

    Days are those of UTC on which the answers came in. What answers nobody could read may have cost is not
    in it: `runner summary` tells that.

    \b
    Example, the bill of each day, and a sheet of everything:
      runner costs --by day
      runner costs --csv > costs.csv
    """
    with existing_database(read_settings()) as database, database.read() as connection:
        found = costs.read(connection, find_run(connection, run).id if run else None)
        names = {row.id: row.name for row in runs.all_runs(connection)}
        now_ms = database.now_ms()
    groups = [name for name in _GROUPS if name in by] or list(_GROUPS)
    rows = _grouped(found, groups, names)
    total = _sums(found)
    if as_json:
        json.emit(
            {
                "schema": 1,
                "as_of": text.iso(now_ms),
                "rows": [{**row, "usd": usd(row["ticks"])} for row in rows],
                "total": {**total, "usd": usd(total["ticks"])},
            }
        )
    elif as_csv:
        text.out(_csv(rows, groups).removesuffix("\n"))
    else:
        for line in _table(rows, total, groups):
            text.out(line)


def _grouped(found: Sequence[Cost], groups: Sequence[str], names: dict[int, str]) -> list[dict[str, Any]]:
    parts: defaultdict[tuple[Any, ...], list[Cost]] = defaultdict(list)
    for cost in found:
        parts[tuple(getattr(cost, name) for name in groups)].append(cost)
    rows = []
    told: dict[str, Any]
    for key in sorted(parts):
        told = {name: str(value) if name == "day" else value for name, value in zip(groups, key, strict=True)}
        if "run" in told:
            told["name"] = names.get(told["run"], "")
        rows.append({**told, **_sums(parts[key])})
    return rows


def _sums(costs_of: Sequence[Cost]) -> dict[str, int]:
    return {name: sum(getattr(cost, name) for cost in costs_of) for name in _SUMS}


def _heads(groups: Sequence[str]) -> list[str]:
    return [head for name in groups for head in ((name, "name") if name == "run" else (name,))]


def _csv(rows: Sequence[dict[str, Any]], groups: Sequence[str]) -> str:
    heads = [*_heads(groups), *_SUMS]
    return csv_text([[*heads, "usd"], *([*(row[head] for head in heads), usd(row["ticks"])] for row in rows)])


def _table(rows: Sequence[dict[str, Any]], total: dict[str, int], groups: Sequence[str]) -> list[str]:
    heads = _heads(groups)
    shown = [(*(one_line(str(row[head]), _NAME_LENGTH) for head in heads), *_numbers(row)) for row in rows]
    last = ("total", *[""] * (len(heads) - 1), *_numbers(total))
    first = (*heads, "answers", "tokens", "cost", "estimated part" if total["estimated_ticks"] else "")
    right = frozenset(range(len(heads), len(first)))
    return text.table([first, *shown, last], right=right)


def _numbers(sums: dict[str, Any]) -> tuple[str, ...]:
    part = text.dollars(sums["estimated_ticks"]) if sums["estimated_ticks"] else ""
    return f"{sums['answers']:,}", f"{sums['tokens']:,}", text.dollars(sums["ticks"]), part
