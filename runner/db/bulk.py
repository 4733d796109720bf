"""Many rows in one statement: a VALUES list as a common table expression, alike on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

ROWS_MAX = 400  # x at most 20 columns: under SQLite's 32,766 and PostgreSQL's 65,535 parameters

Column = tuple[str, str]  # name, type as PostgreSQL calls it


def execute(
    connection: Connection, columns: Sequence[Column], rows: Sequence[Sequence[Any]], statement: str
) -> list[Row[Any]]:
    """Run `statement` with the rows at hand as table `v`; return what it returns.

    The statement is plain SQL after `WITH v(…) AS (VALUES …)` and must not contain `%` or `?`.
    """
    found: list[Row[Any]] = []
    returns = "RETURNING" in statement or statement.lstrip().startswith("SELECT")
    for chunk in _chunks(rows):
        head, parameters = _values(connection.dialect.name, columns, chunk)
        result = connection.exec_driver_sql(f"{head} {statement}", tuple(parameters))
        if returns:
            found.extend(result.all())
    return found


def _values(dialect: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    mark = "?" if dialect == "sqlite" else "%s"
    plain = "(" + ", ".join([mark] * len(columns)) + ")"
    first = plain
    if dialect != "sqlite":  # PostgreSQL takes the types of the list from its first row
        first = "(" + ", ".join(f"CAST({mark} AS {kind})" for _, kind in columns) + ")"
    lists = ", ".join([first] + [plain] * (len(rows) - 1))
    names = ", ".join(name for name, _ in columns)
    return f"WITH v({names}) AS (VALUES {lists})", [value for row in rows for value in row]


def _chunks(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    for start in range(0, len(rows), ROWS_MAX):
        yield rows[start : start + ROWS_MAX]
