"""What attempts may have cost whose cost could not be read: two columns of the table `attempts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.db.job_ids import job_id
from runner.rules.states import JobState
from runner.rules.unread_cost import UnreadCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

UNREAD = "(possible_ticks > 0 OR probable_ticks > 0)"  # the condition of an index of few rows
_KEY = [("job_id", "BIGINT"), ("attempt", "INT")]
_COLUMNS = [*_KEY, ("probable", "BIGINT"), ("possible", "BIGINT")]


class RecordedUnreadCost(NamedTuple):
    """The cost that stands for a result that was not read; `cost` is None where it is unknown.

    `attempt` is the number of the attempt whose row has it.
    """

    attempt: int
    cost: UnreadCost | None


def of_late(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], RecordedUnreadCost]:
    """Return what stands for those (job, attempt) without a cost whose job another attempt answered.

    It is in the attempt's own row where that attempt was given up, else in the row of the older attempt that
    ended the job.
    """
    found = bulk.execute(
        connection,
        _KEY,
        keys,
        "SELECT a.job_id, a.attempt, b.attempt AS recorded_at, b.probable_ticks, b.possible_ticks FROM v"
        " JOIN attempts a ON a.job_id = v.job_id AND a.attempt = v.attempt JOIN jobs j ON j.id = a.job_id"
        " JOIN attempts b ON b.job_id = a.job_id AND b.attempt ="
        " CASE WHEN a.outcome IN ('accepted', 'marked') THEN j.answered_by ELSE a.attempt END"
        f" WHERE j.state IN ('{JobState.STORED}', '{JobState.SUCCEEDED}', '{JobState.FAILED}')"
        " AND a.ticks_source IS NULL AND a.attempt <> COALESCE(j.answered_by, j.attempt)"
        " AND (b.attempt = a.attempt OR b.ticks IS NOT NULL)",
    )
    return {
        (row.job_id, row.attempt): RecordedUnreadCost(
            row.recorded_at,
            None if row.possible_ticks is None else UnreadCost(row.probable_ticks or 0, row.possible_ticks),
        )
        for row in found
    }


def sums(connection: Connection, run_id: int) -> dict[str, int]:
    """Return the sums of a run's probable and possible ticks, by their names in the counters."""
    query = text(
        "SELECT COALESCE(SUM(probable_ticks), 0) AS probable_extra,"
        " COALESCE(SUM(possible_ticks), 0) AS possible_extra FROM attempts"
        f" WHERE {UNREAD} AND job_id >= :first AND job_id < :last"
    )
    values = {"first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return {key: int(n) for key, n in connection.execute(query, values).mappings().one().items()}


def of_run(connection: Connection, run_id: int) -> list[Row[Any]]:
    """Return the attempts of a run that ended without a result and may have cost something.

    Columns: job_id, attempt, probable_ticks, possible_ticks, and the job's model, prompt_tokens and
    output_tokens_max.
    """
    query = text(
        "SELECT a.job_id, a.attempt, a.probable_ticks, a.possible_ticks, j.model, j.prompt_tokens,"
        f" j.output_tokens_max FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE {UNREAD}"
        " AND a.ticks_source IS NULL AND a.outcome <> 'refused'"
        " AND a.job_id >= :first AND a.job_id < :last"
    )
    values = {"first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return list(connection.execute(query, values))


def write(connection: Connection, rows: Sequence[tuple[int, int, UnreadCost]]) -> None:
    """Write what some (job, attempt) may have cost."""
    bulk.execute(
        connection,
        _COLUMNS,
        [(job, attempt, cost.probable_ticks, cost.possible_ticks) for job, attempt, cost in rows],
        "UPDATE attempts SET probable_ticks = v.probable, possible_ticks = v.possible FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


def clear(connection: Connection, keys: Sequence[tuple[int, int]]) -> None:
    """Clear the probable and possible ticks of some (job, attempt): their cost is known now."""
    bulk.execute(
        connection,
        _KEY,
        keys,
        "UPDATE attempts SET probable_ticks = NULL, possible_ticks = NULL FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


def add(connection: Connection, rows: Sequence[tuple[int, int, UnreadCost]]) -> None:
    """Add what results without usage may have cost to what their (job, attempt) have."""
    bulk.execute(
        connection,
        _COLUMNS,
        [(job, attempt, cost.probable_ticks, cost.possible_ticks) for job, attempt, cost in rows],
        "UPDATE attempts SET probable_ticks = COALESCE(probable_ticks, 0) + v.probable,"
        " possible_ticks = COALESCE(possible_ticks, 0) + v.possible FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )
