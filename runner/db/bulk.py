"""Many rows in one statement, as a table `v` that it can join: the same SQL on both databases.

A database caches the statements that it prepared, by their text, so there are few different texts: SQLite
gets a VALUES list of one of eight lengths, PostgreSQL one array a column. A text for each number of rows
costs SQLite 62 µs of CPU a job more, four lengths 22 (docs/decisions/0065).
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
    """Run `statement` with `rows` as table `v`, in chunks of ROWS_MAX; return the rows it returns.

    The statement is plain SQL after `WITH v(…) AS (…)` and must not contain `%` or `?`. On SQLite `v` may
    end in rows of NULLs. Types are BIGINT, INT, FLOAT8, TEXT and BYTEA.
    """
    found: list[Row[Any]] = []
    for chunk in _chunks(rows):
        result = connection.exec_driver_sql(*with_table(connection, columns, chunk, statement))
        if result.returns_rows:
            found.extend(result.all())
    return found


def with_table(
    connection: Connection, columns: Sequence[Column], rows: Sequence[Sequence[Any]], statement: str
) -> tuple[str, tuple[Any, ...]]:
    """Return `statement` with table `v` above it, as the driver takes it, and its parameters.

    `rows` are at most ROWS_MAX.
    """
    table = _values if connection.dialect.name == "sqlite" else _arrays
    source, parameters = table(columns, rows)
    names = ", ".join(name for name, _ in columns)
    return f"WITH v({names}) AS ({source})\n{statement}", parameters


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
    """Return an array literal of PostgreSQL.

    The driver adapts each value: that takes 87 µs of CPU a job more, and 6 GB for bytes of 20 MB.
    """
    if kind == "BYTEA":
        items = ['"\\\\x' + value.hex() + '"' if value is not None else "NULL" for value in values]
    elif kind == "TEXT":
        items = ['"' + value.translate(_ESCAPED) + '"' if value is not None else "NULL" for value in values]
    else:
        number = float if kind == "FLOAT8" else int
        items = [str(number(value)) if value is not None else "NULL" for value in values]
    return "{" + ",".join(items) + "}"


def _chunks(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    for start in range(0, len(rows), ROWS_MAX):
        yield rows[start : start + ROWS_MAX]
