"""The jobs that ended with an error code or a flaw: one of each as an example, or all of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from runner.db.jobs.job_ids import job_id
from runner.rules.explain import HELD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAGE: Final = 5_000
_PAGE_FIRST: Final = 50  # the first lines are there at once
_BY_CODE: Final = (
    "SELECT id, custom_id FROM jobs WHERE state = 'failed' AND run_id = :run AND error_code = :word"
    " AND id >= :first AND id < :last ORDER BY run_id, error_code, id LIMIT :rows"
)
_HELD: Final = (
    "SELECT id, custom_id FROM jobs WHERE state = 'held' AND run_id = :run AND error_code = :word"
    " AND id >= :first AND id < :last ORDER BY run_id, error_code, id LIMIT :rows"
)
# From the index of flaws, each job by its key: `x || ''` keeps the indexes of states out.
_BY_FLAW: Final = (
    "SELECT jobs.id, custom_id FROM attempts a"
    " JOIN jobs ON jobs.id = a.job_id AND jobs.answered_by = a.attempt"
    " WHERE a.flaw = :word AND a.flaw IS NOT NULL AND a.job_id >= :first AND a.job_id < :last"
    " AND jobs.state || '' = 'succeeded' ORDER BY a.job_id LIMIT :rows"
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
        "SELECT error_code, COUNT(*) AS n, MIN(id) AS id FROM jobs WHERE state = 'held' AND run_id = :run"
        " GROUP BY error_code ORDER BY n DESC, id LIMIT :codes"
    )
    rows = connection.execute(query, {"run": run_id, "codes": codes_max})
    found = {row.id: f"{HELD_PREFIX}{row.error_code or 'unknown'}" for row in rows}
    names = text("SELECT custom_id FROM jobs WHERE id = :id")
    return {code: connection.execute(names, {"id": job}).scalar_one() for job, code in found.items()}


def ids(connection: Connection, run_id: int, word: str) -> Iterator[str]:
    """Yield the custom_ids of all jobs that failed or are held with a code, or have a result with a flaw.

    `word` is the code or the flaw.
    """
    for listing in (_BY_CODE, _HELD, _BY_FLAW):
        first, size = job_id(run_id, 0), _PAGE_FIRST
        while rows := _page(connection, run_id, word, listing, first, size):
            yield from (row[1] for row in rows)
            first, size = rows[-1][0] + 1, _PAGE


def _first_of_each(connection: Connection, run_id: int, words: Iterable[str], listing: str) -> dict[str, str]:
    found = {word: _page(connection, run_id, word, listing, job_id(run_id, 0), 1) for word in words}
    return {word: rows[0][1] for word, rows in found.items() if rows}


def _page(
    connection: Connection, run_id: int, word: str, listing: str, first: int, rows_max: int
) -> list[tuple[int, str]]:
    values = {"word": word, "first": first, "last": job_id(run_id + 1, 0), "rows": rows_max}
    values |= {"run": run_id} if ":run" in listing else {}
    return [(row.id, row.custom_id) for row in connection.execute(text(listing), values)]
