"""Yardsticks for loading: insert the same rows into the same tables by the simplest means."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from pathlib import Path

ROWS_PER_COMMIT: Final = 5_000
_JOBS: Final = (
    "id, run_id, line, custom_id, model, prompt_tokens, output_tokens_max, body_bytes, state, due_at_ms,"
    " lease_gen, attempt, spent, extras, polls, misses, settle_tries"
)
_PAYLOADS: Final = "job_id, body, metadata, conv_id"
_TABLES: Final = (("jobs", _JOBS), ("payloads", _PAYLOADS))


def raw_sqlite(source: Path, target: Path, count: int) -> float:
    """Copy the first rows of a loaded database into an empty one by executemany; return jobs per second."""
    with closing(sqlite3.connect(source)) as loaded:
        rows = [loaded.execute(_select(table, columns, count)).fetchall() for table, columns in _TABLES]
    with closing(sqlite3.connect(target, isolation_level=None)) as base:
        base.execute("PRAGMA synchronous=FULL")
        began = time.perf_counter()
        for start in range(0, count, ROWS_PER_COMMIT):
            base.execute("BEGIN IMMEDIATE")
            for (table, columns), values in zip(_TABLES, rows, strict=True):
                placeholders = ", ".join("?" for _ in columns.split(","))
                statement = f"INSERT INTO {table} ({columns}) VALUES ({placeholders})"
                base.executemany(statement, values[start : start + ROWS_PER_COMMIT])
            base.execute("COMMIT")
        return count / (time.perf_counter() - began)


def raw_copy(url: str, count: int) -> float:
    """Copy the first rows of a loaded database into new equal tables by COPY; return jobs per second."""
    with psycopg.connect(url, autocommit=True) as base:
        rows = [base.execute(_select(*table, count).encode()).fetchall() for table in _TABLES]
        for table, _ in _TABLES:
            base.execute(f"CREATE TABLE raw_{table} (LIKE {table} INCLUDING ALL)".encode())
        began = time.perf_counter()
        for start in range(0, count, ROWS_PER_COMMIT):
            with base.transaction():
                for (table, columns), values in zip(_TABLES, rows, strict=True):
                    _copy(
                        base,
                        f"COPY raw_{table} ({columns}) FROM STDIN",
                        values[start : start + ROWS_PER_COMMIT],
                    )
        took_s = time.perf_counter() - began
        for table, _ in _TABLES:
            base.execute(f"DROP TABLE raw_{table}".encode())
    return count / took_s


def _copy(base: psycopg.Connection[Any], statement: str, rows: list[tuple[Any, ...]]) -> None:
    with base.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _select(table: str, columns: str, count: int) -> str:
    return f"SELECT {columns} FROM {table} ORDER BY {columns.partition(',')[0]} LIMIT {count}"
