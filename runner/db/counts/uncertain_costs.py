"""What attempts may have cost whose cost could not be read: two columns of the table `attempts`.

Workers restate these costs, and replace them by real ones, at the same time. Each takes back from the
counters what it replaced, so a row counts only for the one that changed it: `of_late` locks its rows, and
`replace` changes only what is still as it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from runner.db import bulk, statements
from runner.db.jobs.job_ids import job_id
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

UNCERTAIN = "(possible_ticks > 0 OR probable_ticks > 0)"  # the condition of an index of few rows
_ANSWERED_BEFORE = (
    "SELECT MAX(o.attempt) FROM attempts o"
    " WHERE o.job_id = a.job_id AND o.attempt < a.attempt AND o.ticks_source IS NOT NULL"
)
_KEY = [("job_id", "BIGINT"), ("attempt", "INT")]
_RESTATED = statements.read("attempt_restated")
_COLUMNS = [*_KEY, ("probable", "BIGINT"), ("possible", "BIGINT")]


class RecordedUncertainCost(NamedTuple):
    """The cost that stands for a result that was not read; `cost` is None where it is unknown.

    `attempt` is the number of the attempt whose row has it, `model` the one that it is booked under.
    """

    attempt: int
    model: str
    cost: UncertainCost | None


def of_late(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], RecordedUncertainCost]:
    """Return what stands for those (job, attempt) without a cost whose job another attempt answered.

    It is in the attempt's own row where that attempt was given up, else in the row of the older attempt whose
    answer came while this one was in flight. Both rows stay locked until the transaction ends (SQLite has one
    writer, so it needs none).
    """
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE OF a, b"
    found = bulk.execute(
        connection,
        _KEY,
        sorted(set(keys)),
        "SELECT a.job_id, a.attempt, b.attempt AS recorded_at,"
        " COALESCE(b.model, j.model) AS model, b.probable_ticks, b.possible_ticks FROM v"
        " JOIN attempts a ON a.job_id = v.job_id AND a.attempt = v.attempt JOIN jobs j ON j.id = a.job_id"
        " JOIN attempts b ON b.job_id = a.job_id AND b.attempt ="
        f" CASE WHEN a.outcome IN ('accepted', 'marked') THEN ({_ANSWERED_BEFORE}) ELSE a.attempt END"
        f" WHERE j.state IN ('{JobState.STORED}', '{JobState.SUCCEEDED}', '{JobState.FAILED}')"
        " AND a.ticks_source IS NULL AND a.attempt <> COALESCE(j.answered_by, j.attempt)"
        f" AND (b.attempt = a.attempt OR b.ticks IS NOT NULL){lock}",
    )
    return {
        (row.job_id, row.attempt): RecordedUncertainCost(
            row.recorded_at,
            row.model,
            None
            if row.possible_ticks is None
            else UncertainCost(row.probable_ticks or 0, row.possible_ticks),
        )
        for row in found
    }


def of_run(connection: Connection, run_id: int) -> list[Row[Any]]:
    """Return the attempts of a run that ended without a result and may have cost something.

    Columns: job_id, attempt, probable_ticks, possible_ticks, and the job's model, prompt_tokens and
    output_tokens_max. Without jobs that got another model, which their earlier attempts did not have.
    """
    query = text(
        "SELECT a.job_id, a.attempt, a.probable_ticks, a.possible_ticks, j.model,"
        " j.prompt_tokens + j.ask_tokens AS prompt_tokens,"
        f" j.output_tokens_max FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE {UNCERTAIN}"
        " AND a.ticks_source IS NULL AND a.outcome <> 'refused'"
        " AND a.job_id >= :first AND a.job_id < :last AND NOT EXISTS"
        " (SELECT 1 FROM payloads p WHERE p.job_id = a.job_id AND p.set_model IS NOT NULL)"
    )
    values = {"first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return list(connection.execute(query, values))


def replace(
    connection: Connection, changes: Mapping[tuple[int, int], tuple[UncertainCost, UncertainCost]]
) -> set[tuple[int, int]]:
    """Replace what some (job, attempt) may have cost, from an old to a new cost; return those replaced.

    The others do not have the old cost any more: another transaction changed it since it was read.
    """
    found = _RESTATED.with_rows(
        connection, [(*key, *new[:2], *old[:2]) for key, (old, new) in sorted(changes.items())]
    )
    return {(row.job_id, row.attempt) for row in found}


def clear(connection: Connection, keys: Sequence[tuple[int, int]]) -> None:
    """Clear the probable and possible ticks of some (job, attempt): their cost is known now."""
    bulk.execute(
        connection,
        _KEY,
        keys,
        "UPDATE attempts SET probable_ticks = NULL, possible_ticks = NULL FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


def add(connection: Connection, rows: Sequence[tuple[int, int, UncertainCost]]) -> None:
    """Add what results without usage may have cost to what their (job, attempt) have."""
    bulk.execute(
        connection,
        _COLUMNS,
        [(job, attempt, cost.probable_ticks, cost.possible_ticks) for job, attempt, cost in rows],
        "UPDATE attempts SET probable_ticks = COALESCE(probable_ticks, 0) + v.probable,"
        " possible_ticks = COALESCE(possible_ticks, 0) + v.possible FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )
