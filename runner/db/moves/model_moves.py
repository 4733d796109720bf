"""Retries with another model: which jobs take it, and the move that sends them again with it.

The stored body stays as it is. The new model is beside it (`payloads.set_model`) and is put into the body
when that is read to be sent; `jobs.model`, by which limits, prices and budgets go, changes at once.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.db import bulk
from runner.db.answers import results
from runner.db.jobs import chosen_jobs
from runner.db.moves import user_moves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.counts.counters import Deltas
    from runner.db.jobs.job_selection import JobSelection
    from runner.rules.requests.validate import Validation

    Validate = Callable[[bytes], Validation]

ROWS_MAX = 1_000
BYTES_MAX = 16 << 20  # of the bodies that are in memory at the same time
_COLUMNS = (("id", "BIGINT"), ("model", "TEXT"), ("prompt", "INT"), ("output_max", "INT"), ("conv", "TEXT"))
_SET_IN_JOBS = (
    "UPDATE jobs SET model = v.model, prompt_tokens = v.prompt, output_tokens_max = v.output_max FROM v"
    " WHERE jobs.id = v.id"
)
_SET_IN_PAYLOADS = (
    "UPDATE payloads SET set_model = v.model, conv_id = v.conv FROM v WHERE payloads.job_id = v.id"
)


class Checked(NamedTuple):
    """A chosen job, and what validating its body with the new model found."""

    job: Row[Any]
    validation: Validation


def check(
    connection: Connection, run_id: int, selection: JobSelection, validate: Validate
) -> Iterator[Checked]:
    """Yield the chosen jobs in file order, each validated with the new model; nothing is changed."""
    after: int | None = None
    while page := _page(connection, run_id, selection, validate, after, lock=False):
        yield from page
        after = page[-1].job.id


def retry_with_model(
    connection: Connection,
    run_id: int,
    selection: JobSelection,
    model: str,
    validate: Validate,
    now_ms: int,
    deltas: Deltas,
    after: int | None = None,
) -> user_moves.Walked:
    """Send the next chosen jobs again with another model; jobs that it does not take stay as they are.

    Jobs that are pending already stay so. `after`: the last job of the call before.
    """
    page = _page(connection, run_id, selection, validate, after, lock=True)
    taken = [checked for checked in page if not checked.validation.refused]
    user_moves.requeue(connection, [checked.job for checked in taken], now_ms, deltas)
    rows = [
        (job.id, model, found.prompt_tokens, found.max_output_tokens, found.conv_id) for job, found in taken
    ]
    for change in (_SET_IN_JOBS, _SET_IN_PAYLOADS):
        bulk.execute(connection, _COLUMNS, rows, change)
    return user_moves.Walked(len(taken), page[-1].job.id if page else None)


def _page(
    connection: Connection,
    run_id: int,
    selection: JobSelection,
    validate: Validate,
    after: int | None,
    *,
    lock: bool,
) -> list[Checked]:
    """Return the next chosen jobs, at least one if there is one, with about BYTES_MAX of bodies."""
    jobs = _fitting(chosen_jobs.pick(connection, run_id, selection, ROWS_MAX, after, lock=lock))
    bodies = results.loaded_bodies(connection, [job.id for job in jobs])
    return [Checked(job, validate(bodies.pop(job.id)[0])) for job in jobs]


def _fitting(jobs: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    sizes = accumulate(job.body_bytes for job in jobs)
    return [
        job
        for number, (job, size) in enumerate(zip(jobs, sizes, strict=True))
        if not number or size <= BYTES_MAX
    ]
