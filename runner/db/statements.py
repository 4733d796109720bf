"""The statements of `runner/db/sql`: one file each, written out whole, with the columns of its rows.

A file begins with comments: what it does, and the table `v` of the rows that it takes, as in
`-- v(id BIGINT, gen INT)`. `bulk` puts that table above the statement: the one thing in which SQLite and
PostgreSQL differ, beside the `{parts}` that a file names and explains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from runner.db import bulk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

FOLDER: Final = Path(__file__).with_name("sql")
_ROWS: Final = re.compile(r"^v\((.+?)\)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One file: `columns` are those of its table `v` (name, type), `sql` is its text without comments."""

    name: str
    columns: tuple[bulk.Column, ...]
    sql: str

    def with_rows(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> list[Row[Any]]:
        """Run it with rows for `v`, values in the order of `columns`; return the rows that it returns."""
        return bulk.execute(connection, self.columns, rows, self.sql)

    def with_values(
        self, connection: Connection, values: Mapping[str, Any], **parts: str
    ) -> Sequence[Row[Any]]:
        """Run it with values for its `:names`, and `parts` for what it has in braces; return its rows."""
        return connection.execute(text(self.sql.format(**parts)), values).all()


def skip_locked(connection: Connection) -> str:
    """Return the part of a statement that passes over rows that others have locked: SQLite has one writer."""
    return "" if connection.dialect.name == "sqlite" else "FOR UPDATE SKIP LOCKED"


def read(name: str) -> Statement:
    """Return the statement of a file. Called at import: a process may lose the right to read its program."""
    lines = FOLDER.joinpath(f"{name}.sql").read_text("utf-8").splitlines()
    comments = "\n".join(line[2:].strip() for line in lines if line.startswith("--"))
    code = (line.partition("--")[0].rstrip() for line in lines)
    rows = _ROWS.search(comments)
    return Statement(
        name=name,
        columns=tuple(_column(words) for words in rows[1].split(",")) if rows else (),
        sql="\n".join(filter(None, code)),
    )


def _column(words: str) -> bulk.Column:
    name, kind = words.split()
    return name, kind
