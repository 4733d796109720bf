"""The models that a run's jobs name: those that the API refuses, and one that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, text

from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.db.jobs.job_ranges import in_run
from runner.rules.replies.reply_table import MODEL_CODES

if TYPE_CHECKING:
    from collections.abc import Collection

_PENDING_MAX: Final = 10_000  # jobs leave in file order, so a refused one is among the first that are pending
_OF_HELD: Final = "SELECT model FROM jobs WHERE state = 'held' AND run_id = :run AND error_code IN :codes"
_OF_PENDING: Final = (
    "SELECT p.model FROM (SELECT id, attempt, model, due_at_ms FROM jobs WHERE state = 'pending'"
    " AND {in_run} ORDER BY {order}"
    f" LIMIT {_PENDING_MAX}) AS p"
    " JOIN attempts a ON a.job_id = p.id AND a.attempt = p.attempt WHERE a.error_code IN :codes"
    " AND a.collected_at_ms >= p.due_at_ms"  # of one moment where the job went back; a user's retry is later
)


def refused(connection: Connection, run_id: int, *, of_pending: bool) -> list[str]:
    """Return the models that the API refused to jobs that are held for that, that of most jobs first.

    `of_pending`: to pending jobs too, as a run that is paused for its models has them; the first
    _PENDING_MAX of the file are looked at.
    """
    run = in_run(connection)
    pending = _OF_PENDING.format(in_run=run.condition, order=run.order)
    rows = f"{_OF_HELD} UNION ALL {pending}" if of_pending else _OF_HELD
    query = text(
        f"SELECT model FROM ({rows}) AS refused GROUP BY model ORDER BY COUNT(*) DESC, model"
    ).bindparams(bindparam("codes", expanding=True))
    values = {"run": run_id, "codes": sorted(MODEL_CODES)}
    before = {"after": job_id(run_id, 0) - 1} if of_pending else {}
    return list(connection.execute(query, values | before).scalars())


def other_than(
    connection: Connection, run_id: int, models: Collection[str], ordinals_max: int | None
) -> str | None:
    """Return the model of a job of the run that is none of these; None where all jobs name one of them.

    `ordinals_max`: only the first jobs of the file, up to this number.
    """
    query = text(
        "SELECT model FROM jobs WHERE id >= :first AND id < :last AND model NOT IN :models LIMIT 1"
    ).bindparams(bindparam("models", expanding=True))
    last = job_id(run_id, JOBS_MAX if ordinals_max is None else ordinals_max)
    values = {"first": job_id(run_id, 0), "last": last, "models": sorted(models)}
    found: str | None = connection.execute(query, values).scalar_one_or_none()
    return found
