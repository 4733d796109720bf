"""What `runner check` shows of a recipe beside the estimate: its rows, its files, the schema that is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from runner.cli.render import text
from runner.rules.json_object import JsonObject, about
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.table_faults import TableFault


class ReadFileFacts(NamedTuple):
    """A file that was read for a recipe."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRows:
    """The table of a recipe. `sent` are the rows with a request, `faults` the first bad rows.

    `schema` is the JSON schema as it is sent, None where code would have to be run for it; `warnings` are
    sentences about the recipe.
    """

    path: str
    rows: int
    sent: int
    faults: Sequence[TableFault]
    files: Sequence[ReadFileFacts]
    schema: bytes | None
    warnings: Sequence[str]


class RowFault(JsonObject, frozen=True, kw_only=True):
    """One fault of a row."""

    row: Annotated[int | None, about("from 1; null for a fault of the table as a whole")]
    line: Annotated[int | None, about("line of the file, from 1")]
    column: Annotated[str | None, about("name of the column")]
    code: Annotated[str, about("stable name of the fault")]
    reason: Annotated[str, about("what is wrong")]
    fix: Annotated[str, about("what to do")]


class RecipeFile(JsonObject, frozen=True, kw_only=True):
    """A file that was read."""

    path: Annotated[str, about("where it is")]
    sha256: Annotated[str, about("of its bytes")]


class CheckedTable(JsonObject, frozen=True, kw_only=True):
    """The table of a recipe."""

    path: Annotated[str, about("where it is")]
    rows: Annotated[int, about("in the table")]
    sent: Annotated[int, about("rows that have a request")]
    excluded: Annotated[int, about("rows that where, sample or limit leave out")]
    bad: Annotated[list[RowFault], about("the first 20")]
    files: Annotated[list[RecipeFile], about("files that were read beside the recipe and the table")]
    schema: Annotated[
        msgspec.Raw,
        about("the JSON schema of an answer, as it is sent; null where it is that of code that was not run"),
    ]


def table_object(rows: CheckedRows, bad_total: int) -> CheckedTable:
    """Return the object of a table; `bad_total` is the number of its bad rows."""
    return CheckedTable(
        path=rows.path,
        rows=rows.rows,
        sent=rows.sent,
        excluded=_excluded(rows, bad_total),
        bad=[
            RowFault(
                row=one.row, line=one.line, column=one.column, code=one.code, reason=one.reason, fix=one.fix
            )
            for one in rows.faults
        ],
        files=[RecipeFile(path=one.path, sha256=one.sha256) for one in rows.files],
        schema=msgspec.Raw(rows.schema or b"null"),
    )


def table_lines(rows: CheckedRows, bad_total: int) -> list[str]:
    """Return the rows by what becomes of them, the files that were read, and the schema."""
    excluded = _excluded(rows, bad_total)
    parts = [text.count(rows.rows, "row"), f"{rows.sent:,} to send"]
    parts += [f"{excluded:,} excluded"] if excluded else []
    lines = [f"table   {plain(rows.path)}: {', '.join(parts)}"]
    lines += [f"read    {plain(one.path)}, sha256 {one.sha256[:12]}…" for one in rows.files]
    lines += [f"warning: {plain(one)}" for one in rows.warnings]
    return lines if rows.schema is None else [*lines, f"schema  {plain(rows.schema.decode())}"]


def _excluded(rows: CheckedRows, bad_total: int) -> int:
    return max(0, rows.rows - rows.sent - bad_total)
