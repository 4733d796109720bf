"""The models of a run that the API refuses, as its held jobs show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, text

from runner.db.job_ids import JOBS_MAX, job_id
from runner.rules.reply_table import MODEL_CODES

if TYPE_CHECKING:
    from collections.abc import Collection


def refused(connection: Connection, run_id: int) -> set[str]:
    """Return the models of the run's jobs that are held since their model is refused."""
    query = text(
        "SELECT DISTINCT model FROM jobs WHERE state = 'held' AND id >= :first AND id < :last"
        " AND error_code IN :codes"
    ).bindparams(bindparam("codes", expanding=True))
    values = {"first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX), "codes": sorted(MODEL_CODES)}
    return set(connection.execute(query, values).scalars())


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
