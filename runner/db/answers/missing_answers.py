"""Counts, of the requests of the time of failed fetches, those that were answered and those that were not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text

from runner.rules.states import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.workers.leases import Lease

ATTEMPTS_MAX = 5_000  # of these the counts are made: the last ones, where more lie between the failed ones

_ACCEPTED = text("SELECT job_id, attempt, accepted_at_ms FROM attempts WHERE job_id IN :jobs").bindparams(
    bindparam("jobs", expanding=True)
)
_READ = f"'{Event.SUCCEEDED}', '{Event.INVALID}'"
_ANSWERED = f"outcome IN ({_READ}, '{Event.UNUSABLE}', '{Event.GENERATION_FAILED}')"
_MISSING = (
    f"outcome = '{Event.LOST}' OR outcome NOT IN ({_READ}) AND EXISTS"
    " (SELECT 1 FROM unreadables WHERE job_id = a.job_id AND attempt = a.attempt)"
)
_COUNTS = text(
    f"SELECT CASE WHEN {_MISSING} THEN 'missing' WHEN {_ANSWERED} THEN 'answered' ELSE 'out' END AS what,"
    " COUNT(*) AS n"
    " FROM (SELECT job_id, attempt, outcome, accepted_at_ms FROM attempts"
    f" WHERE job_id BETWEEN :first_job AND :last_job ORDER BY job_id DESC LIMIT {ATTEMPTS_MAX}) a"
    " WHERE accepted_at_ms BETWEEN :from_ms AND :to_ms GROUP BY 1"
)


def answered_and_missing(connection: Connection, failed: Sequence[Lease]) -> tuple[int, int]:
    """Return how many requests were answered, and how many answers are lost or were unreadable so far.

    Of the requests that were accepted in the same time as those of `failed` (of one run), by jobs between
    them. Requests that are still out count in neither.
    """
    keys = {(lease.job_id, lease.attempt) for lease in failed}
    jobs = sorted({job_id for job_id, _ in keys})
    accepted_ms = [
        row.accepted_at_ms
        for row in connection.execute(_ACCEPTED, {"jobs": jobs})
        if (row.job_id, row.attempt) in keys and row.accepted_at_ms is not None
    ]
    if not accepted_ms:
        return 0, len(keys)
    span = {
        "first_job": jobs[0],
        "last_job": jobs[-1],
        "from_ms": min(accepted_ms),
        "to_ms": max(accepted_ms),
    }
    counts = {row.what: row.n for row in connection.execute(_COUNTS, span)}
    return counts.get("answered", 0), counts.get("missing", 0)
