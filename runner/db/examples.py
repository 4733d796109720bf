"""The jobs that ended with an error code or a flaw: one of each as an example, or all of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from runner.db.job_ids import job_id
from runner.rules.explain import HELD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAGE: Final = 5_000
_BY_CODE: Final = "state = 'failed' AND run_id = :run AND error_code = :word AND id >= :first AND id < :last"
_HELD: Final = "state = 'held' AND error_code = :word AND id >= :first AND id < :last"
_BY_FLAW: Final = (
    "state = 'succeeded' AND id IN (SELECT job_id FROM attempts WHERE flaw = :word"
    " AND flaw IS NOT NULL AND job_id >= :first AND job_id < :last)"
    " AND EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = jobs.id AND a.attempt = jobs.answered_by"
    " AND a.flaw = :word)"
)


def of_codes(connection: Connection, run_id: int, codes: Iterable[str]) -> dict[str, str]:
    """Return the custom_id of the first job that failed with each error code, by code."""
    return _first_of_each(connection, run_id, codes, _BY_CODE)


def of_flaws(connection: Connection, run_id: int, flaws: Iterable[str]) -> dict[str, str]:
    """Return the custom_id of the first job that succeeded with each flaw, by flaw."""
    return _first_of_each(connection, run_id, flaws, _BY_FLAW)


def of_held(connection: Connection, run_id: int, codes_max: int) -> dict[str, str]:
    """Return the custom_id of the first held job of each error code, the commonest codes first.

    The codes begin with `held-`, as in the errors file.
    """
    query = text(
        "SELECT error_code, COUNT(*) AS n, MIN(id) AS id FROM jobs WHERE state = 'held' AND id >= :first"
        " AND id < :last GROUP BY error_code ORDER BY n DESC, id LIMIT :codes"
    )
    values = {"first": job_id(run_id, 0), "last": job_id(run_id + 1, 0), "codes": codes_max}
    rows = connection.execute(query, values)
    found = {row.id: f"{HELD_PREFIX}{row.error_code or 'unknown'}" for row in rows}
    names = text("SELECT custom_id FROM jobs WHERE id = :id")
    return {code: connection.execute(names, {"id": job}).scalar_one() for job, code in found.items()}


def ids(connection: Connection, run_id: int, word: str) -> Iterator[str]:
    """Yield the custom_ids of all jobs that failed or are held with a code, or have a result with a flaw.

    `word` is the code or the flaw.
    """
    for condition in (_BY_CODE, _HELD, _BY_FLAW):
        first = job_id(run_id, 0)
        while rows := _page(connection, run_id, word, condition, first, _PAGE):
            yield from (row[1] for row in rows)
            first = rows[-1][0] + 1


def _first_of_each(
    connection: Connection, run_id: int, words: Iterable[str], condition: str
) -> dict[str, str]:
    found = {word: _page(connection, run_id, word, condition, job_id(run_id, 0), 1) for word in words}
    return {word: rows[0][1] for word, rows in found.items() if rows}


def _page(
    connection: Connection, run_id: int, word: str, condition: str, first: int, rows_max: int
) -> list[tuple[int, str]]:
    query = text(f"SELECT id, custom_id FROM jobs WHERE {condition} ORDER BY id LIMIT :rows")
    values = {"run": run_id, "word": word, "first": first, "last": job_id(run_id + 1, 0), "rows": rows_max}
    return [(row.id, row.custom_id) for row in connection.execute(query, values)]
