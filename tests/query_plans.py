"""What a function asks a database, how the database finds it, and how much it reads for that."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from runner.db.session import Database

Statement = tuple[str, Any]  # with its parameters, as the driver gets them
_SQLITE: Final = re.compile(
    r"(SEARCH|SCAN) (\w+)(?: USING (?:COVERING )?(?:INDEX (\w+)|(INTEGER PRIMARY KEY)))?"
)
_POSTGRES: Final = re.compile(r"(?:Scan using|Bitmap Index Scan on|Seq Scan on) (\w+)")
_KEYS: Final = {  # SQLite's names of what the tables call otherwise
    "sqlite_autoindex_jobs_1": "uq_jobs_run_id_custom_id",
    "sqlite_autoindex_attempts_1": "pk_attempts",
}
_TABLES: Final = {"jobs", "attempts", "a"}  # the others are results of subqueries


@contextmanager
def asked(database: Database) -> Iterator[list[Statement]]:
    """Yield a list that gets the statements which are sent to the database in the block."""
    found: list[Statement] = []

    def keep(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement != "BEGIN":
            found.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", keep)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", keep)


def indexes(connection: Connection, statement: Statement) -> set[str]:
    """Return the indexes that a statement uses; a table that is read whole is there by its own name."""
    if connection.dialect.name != "sqlite":
        rows = _explained(connection, "EXPLAIN", statement)
        return {name for row in rows for name in _POSTGRES.findall(row[0])}
    steps = [_SQLITE.match(row[3]) for row in _explained(connection, "EXPLAIN QUERY PLAN", statement)]
    found = set()
    for step in steps:
        if step is not None and step[2] in _TABLES:
            found.add(_KEYS.get(step[3], step[3]) or ("pk_jobs" if step[4] else step[2]))
    return found


def text_of(connection: Connection, statement: Statement) -> str:
    """Return the plan of a statement, as the database writes it."""
    how = "EXPLAIN" if connection.dialect.name != "sqlite" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row[-1]) for row in _explained(connection, how, statement))


def work(connection: Connection, statement: Statement) -> int:
    """Return what a statement costs, whatever else the machine does.

    On SQLite these are the steps of its virtual machine, on PostgreSQL the blocks that it reads.
    """
    if connection.dialect.name != "sqlite":
        rows = _explained(connection, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)", statement)
        plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
        return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 1)
    try:
        connection.exec_driver_sql(*statement).all()
    finally:
        driver.set_progress_handler(None, 1)
    return steps


def _explained(connection: Connection, how: str, statement: Statement) -> list[Any]:
    return list(connection.exec_driver_sql(f"{how} {statement[0]}", statement[1]).all())
