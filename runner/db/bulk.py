"""Many rows in one statement, as a table `v` beside the real ones: alike on both databases.

A text that a database has seen lately costs it much less: it is not parsed, and not planned. So there are
few different ones: SQLite gets a VALUES list of one of eight lengths, PostgreSQL one array a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

ROWS_MAX: Final = 128  # a prepared VALUES list of 128 rows takes SQLite some 200 kB
_LENGTHS: Final = (1, 2, 4, 8, 16, 32, 64, ROWS_MAX)
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})

Column = tuple[str, str]  # name, type as PostgreSQL calls it


def execute(
    connection: Connection, columns: Sequence[Column], rows: Sequence[Sequence[Any]], statement: str
) -> list[Row[Any]]:
    """Run `statement` with the rows at hand as table `v`; return what it returns.

    The statement is plain SQL after `WITH v(…) AS (…)` and must not contain `%` or `?`. `v` may end in rows
    of NULLs. Types are BIGINT, INT, TEXT and BYTEA.
    """
    found: list[Row[Any]] = []
    returns = "RETURNING" in statement or statement.lstrip().startswith("SELECT")
    table = _values if connection.dialect.name == "sqlite" else _arrays
    for chunk in _chunks(rows):
        source, parameters = table(columns, chunk)
        names = ", ".join(name for name, _ in columns)
        result = connection.exec_driver_sql(f"WITH v({names}) AS ({source}) {statement}", parameters)
        if returns:
            found.extend(result.all())
    return found


def unindexed(column: str, value: str) -> str:
    """Return SQL that compares a text without any index over it: the rows of `v` are to be found by key.

    Before it has counted the rows of a new table, PostgreSQL believes that a partial index holds a few of
    them, and reads it whole for every group.
    """
    return f"{column} || '' = '{value}'"


def _values(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> tuple[str, tuple[Any, ...]]:
    width, length = len(columns), next(length for length in _LENGTHS if length >= len(rows))
    row = "(" + ", ".join(["?"] * width) + ")"
    parameters = [value for row in rows for value in row] + [None] * (width * (length - len(rows)))
    return "VALUES " + ", ".join([row] * length), tuple(parameters)


def _arrays(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> tuple[str, tuple[Any, ...]]:
    casts = ", ".join(f"CAST(%s AS {kind}[])" for _, kind in columns)
    arrays = [
        _array(kind, column) for (_, kind), column in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    return f"SELECT * FROM unnest({casts})", tuple(arrays)


def _array(kind: str, values: Sequence[Any]) -> str:
    """Write an array as PostgreSQL reads it: many times faster than value by value through the driver."""
    if kind == "BYTEA":
        written = ['"\\\\x' + value.hex() + '"' if value is not None else "NULL" for value in values]
    elif kind == "TEXT":
        written = ['"' + value.translate(_ESCAPED) + '"' if value is not None else "NULL" for value in values]
    else:
        written = [str(int(value)) if value is not None else "NULL" for value in values]
    return "{" + ",".join(written) + "}"


def _chunks(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    for start in range(0, len(rows), ROWS_MAX):
        yield rows[start : start + ROWS_MAX]
