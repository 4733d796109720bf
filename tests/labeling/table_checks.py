"""Checks of labeled tables: bytes, order, statuses and labels, by code that shares nothing with runner."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from made_tables import MadeRow, MadeTable

LABELS: Final = ("mark", "mood")
ADDED: Final = (*LABELS, "_status", "_error", "_cost_usd", "_model", "_asks", "_answer")
STATUSES: Final = {
    "sent": {"ok", "invalid", "failed", "held"}, "skipped": {"skipped"}, "excluded": {"excluded"},
}  # fmt: skip


class DiffersError(Exception):
    """What was written is not what it must be."""


def wrong_of_table(table: MadeTable) -> list[str]:
    """Return what is wrong with the three files of a table; [] where nothing is."""
    try:
        added = list(_READERS[table.kind](table))
    except DiffersError as error:
        return [f"{table.name} ({table.kind}): {error}"]
    if len(added) != len(table.written):
        return [f"{table.name} ({table.kind}): {len(added)} rows, not {len(table.written)}"]
    found = [
        f"row {row.number}: {error}"
        for row, values in zip(table.written, added, strict=True)
        for error in _wrong_of_row(row, values)
    ]
    found += _wrong_beside(table, added)
    return [f"{table.name} ({table.kind}): {error}" for error in found]


def _wrong_of_row(row: MadeRow, added: dict[str, Any]) -> Iterator[str]:
    status = added["_status"]
    if status not in STATUSES[row.fate]:
        yield f"is {row.fate}, its status is {status!r}"
    expected = {"mark": row.mark, "mood": row.mood} if status == "ok" else {"mark": None, "mood": None}
    labels = {name: added[name] or None for name in LABELS}
    if labels != expected:
        yield f"has the labels {labels}, not {expected}"
    if bool(added["_error"]) != (status in ("invalid", "failed", "held", "skipped")):
        yield f"is {status} with the error {added['_error']!r}"


def _wrong_beside(table: MadeTable, added: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the errors file and the summary."""
    stem = table.output.name.removesuffix(f".{table.kind}")
    summary = json.loads(table.output.with_name(f"{stem}.summary.json").read_bytes())
    status_of = {row.number: values["_status"] for row, values in zip(table.written, added, strict=True)}
    status_of |= {row.number: "skipped" for row in table.rows if row.fate == "unreadable"}
    statuses = Counter(status_of.values())
    counted = {status: n for status, n in summary["rows"].items() if n and status != "total"}
    if counted != dict(statuses) or summary["rows"]["total"] != len(table.rows):
        yield f"the table has {dict(statuses)} of {len(table.rows)}, the summary {summary['rows']}"
    lines = table.output.with_name(f"{stem}.errors.jsonl").read_bytes().splitlines()
    named = [(line["row"], line["status"]) for line in map(json.loads, lines)]
    expected = [item for item in sorted(status_of.items()) if item[1] not in ("ok", "excluded")]
    if named != expected:
        yield f"the errors file has {named}, not {expected}"
    if not table.prefix and any(row["_cost_usd"] for row in added):
        shown = sum(float(row["_cost_usd"] or 0) for row in added)
        ticks = summary["cost"]["reported_ticks"] + summary["cost"]["estimated_ticks"]
        if abs(shown - ticks / 1e10) > 1e-9:
            yield f"the costs of its rows are {shown}, of the run {ticks} ticks"


def _of_text(table: MadeTable) -> Iterator[dict[str, Any]]:
    """Yield the added cells of each row of a CSV or TSV; each row must begin with the bytes of the input."""
    content, delimiter = table.output.read_bytes(), table.delimiter.decode()
    names = [table.prefix + name for name in ADDED]
    at = 0
    for number, raw in enumerate([table.header, *(row.raw for row in table.written)]):
        begin = raw + table.delimiter
        if not content.startswith(begin, at):
            raise DiffersError(f"record {number} begins {content[at : at + 80]!r}, not {begin[:80]!r}")
        at += len(begin)
        end = _end_of_record(content, at)
        cells = next(csv.reader(io.StringIO(content[at:end].decode(), newline=""), delimiter=delimiter))
        if len(cells) != len(ADDED) or (number == 0 and cells != names):
            raise DiffersError(f"record {number} has the added cells {cells}")
        at = end
        if number < len(table.rows) or table.has_last_line_end:
            if not content.startswith(table.line_end, at):
                raise DiffersError(
                    f"record {number} ends with {content[at : at + 2]!r}, not {table.line_end!r}"
                )
            at += len(table.line_end)
        if number:
            yield dict(zip(ADDED, cells, strict=True))
    if at != len(content):
        raise DiffersError(f"{content[at : at + 80]!r} follows the last row")


def _end_of_record(content: bytes, at: int) -> int:
    """Return where the record that holds a position ends; the position is the beginning of a cell."""
    is_quoted = False
    for position in range(at, len(content)):
        char = content[position]
        if char == ord('"'):
            is_quoted = not is_quoted
        elif char in b"\r\n" and not is_quoted:
            return position
    return len(content)


def _of_jsonl(table: MadeTable) -> Iterator[dict[str, Any]]:
    lines = table.output.read_bytes().removesuffix(b"\n").split(b"\n")
    if len(lines) != len(table.written):
        raise DiffersError(f"{len(lines)} lines, not {len(table.written)}")
    for number, (line, row) in enumerate(zip(lines, table.written, strict=True)):
        begin = row.raw.removesuffix(b"}") + b","
        if not line.startswith(begin):
            raise DiffersError(f"line {number} begins {line[:80]!r}, not {begin[:80]!r}")
        yield _unprefixed(table, json.loads(b"{" + line[len(begin) :]))


def _of_parquet(table: MadeTable) -> Iterator[dict[str, Any]]:
    parquet: Any = import_module("pyarrow.parquet")
    before, after = parquet.read_table(table.path), parquet.read_table(table.output)
    width = len(table.columns)
    if after.column_names[:width] != table.columns:
        raise DiffersError(f"its columns are {after.column_names}")
    for n in range(width):
        old, new = before.schema.field(n), after.schema.field(n)
        if not old.equals(new, check_metadata=True) or not _is_same(before.column(n), after.column(n)):
            raise DiffersError(f"column {old} became {new}: {after.column(n).to_pylist()[:3]}")
    for key, value in (before.schema.metadata or {}).items():
        if (after.schema.metadata or {}).get(key) != value:
            raise DiffersError(f"the metadata {key!r} is lost")
    names = after.column_names[width:]
    for values in zip(*(after.column(width + n).to_pylist() for n in range(len(names))), strict=True):
        yield _unprefixed(table, dict(zip(names, values, strict=True)))


def _is_same(before: Any, after: Any) -> bool:
    """Return whether two columns are equal for Arrow, where NaN is like NaN."""
    return bool(before.equals(after)) or repr(before.to_pylist()) == repr(after.to_pylist())


def _unprefixed(table: MadeTable, added: dict[str, Any]) -> dict[str, Any]:
    if list(added) != [table.prefix + name for name in ADDED]:
        raise DiffersError(f"the added columns are {list(added)}")
    return {name.removeprefix(table.prefix): value for name, value in added.items()}


_READERS: Final = {"csv": _of_text, "tsv": _of_text, "jsonl": _of_jsonl, "parquet": _of_parquet}
