"""Job history for the user: one job with its attempts, the oldest one in flight, ids like a given one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk
from runner.rules.printed_id import read_id
from runner.rules.storable_text import is_storable

if TYPE_CHECKING:
    from collections.abc import Collection


def find_job(connection: Connection, run_id: int, custom_id: str) -> Row[Any] | None:
    """Return the row of one job of a run by its custom_id, as it is or as it is printed; or None."""
    found = find_ids(connection, run_id, [custom_id])
    if not found:
        return None
    return connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": found[custom_id]}).one()


def find_ids(connection: Connection, run_id: int, custom_ids: Collection[str]) -> dict[str, int]:
    """Return the ids of a run's jobs by their custom_ids; those that are not in the run are left out.

    A word is first taken as an id is printed, so that printed ones are never another job; then as it is.
    """
    meant = {word: read_id(word) for word in custom_ids}
    found = _ids(connection, run_id, {*meant, *meant.values()})
    ids = {word: found.get(name, found.get(word)) for word, name in meant.items()}
    return {word: job for word, job in ids.items() if job is not None}


def _ids(connection: Connection, run_id: int, custom_ids: Collection[str]) -> dict[str, int]:
    rows = bulk.execute(
        connection,
        [("run_id", "INT"), ("word", "TEXT")],
        [(run_id, word) for word in custom_ids if is_storable(word)],
        "SELECT jobs.custom_id, jobs.id FROM v JOIN jobs"
        " ON jobs.run_id = v.run_id AND jobs.custom_id = v.word",
    )
    return {row.custom_id: row.id for row in rows}


def attempts_of_job(connection: Connection, job_id: int) -> list[Row[Any]]:
    """Return the attempts of a job, oldest first."""
    query = text("SELECT * FROM attempts WHERE job_id = :job ORDER BY attempt")
    return list(connection.execute(query, {"job": job_id}))


def oldest_in_flight_ms(connection: Connection, run_id: int) -> int | None:
    """Return the acceptance time of the oldest request that has no result yet; None where there is none.

    It reads the jobs in flight by their partial indexes, not all jobs of the run: `run_id + 0` and the
    doubled condition on `state` select these indexes.
    """
    query = text(
        "SELECT MIN(at) FROM ("
        "SELECT accepted_at_ms AS at FROM jobs WHERE state = 'waiting' AND run_id + 0 = :run"
        " UNION ALL SELECT accepted_at_ms FROM jobs WHERE state IN ('submitting', 'collecting', 'stored')"
        " AND state = 'collecting' AND run_id + 0 = :run) AS found"
    )
    oldest: int | None = connection.execute(query, {"run": run_id}).scalar_one()
    return oldest


def similar_ids(connection: Connection, run_id: int, word: str, rows_max: int = 3) -> list[str]:
    """Return up to `rows_max` custom_ids of a run that begin like `word`, or differ only by case."""
    word = read_id(word)
    if not is_storable(word):
        return []
    prefix = word[: max(1, len(word) - 1)]
    query = text(
        "SELECT custom_id FROM jobs WHERE run_id = :run AND custom_id >= :begin AND custom_id < :end"
        " ORDER BY custom_id LIMIT :rows"
    )
    found: list[str] = []
    for start in dict.fromkeys((prefix, prefix.lower(), prefix.upper())):
        values = {"run": run_id, "begin": start, "end": f"{start}\U0010ffff", "rows": rows_max}
        found += connection.execute(query, values).scalars()
    return list(dict.fromkeys(found))[:rows_max]
