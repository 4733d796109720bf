"""The table `attempts`: a row is inserted before a POST leaves and completed with its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.db.job_ids import job_id
from runner.rules.states import JobState
from runner.rules.unread_cost import UnreadCost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.leases import Lease
    from runner.db.outcomes import Requeue, Settled
    from runner.rules.states import Event

LANE = "deferred"
_POLLS = "polls = (SELECT jobs.polls FROM jobs WHERE jobs.id = attempts.job_id)"
_COSTS = (
    "model = v.model, finish_reason = v.finish, flaw = v.flaw, prompt_tokens = v.prompt,"
    " cached_tokens = v.cached, completion_tokens = v.completion, reasoning_tokens = v.reasoning,"
    " total_tokens = v.total, ticks = v.ticks, ticks_source = v.source, prices_as_of = v.as_of"
)
_KEY = [("job_id", "BIGINT"), ("attempt", "INT")]
UNREAD = "(possible_ticks > 0 OR probable_ticks > 0)"  # the condition of an index of few rows


def insert(
    connection: Connection,
    leases: Sequence[Lease],
    *,
    worker: int,
    now_ms: int,
    slots: Mapping[int, str],
    reserves: Mapping[int, int | None],
) -> None:
    """Insert the attempts of leased jobs before they are sent.

    `slots` (the limiter's slot names) and `reserves` (ticks) are by job id.
    """
    bulk.execute(
        connection,
        [
            *_KEY,
            ("lane", "TEXT"),
            ("worker", "INT"),
            ("slot", "TEXT"),
            ("reserve", "BIGINT"),
            ("at", "BIGINT"),
        ],
        [
            (
                lease.job_id,
                lease.attempt,
                LANE,
                worker,
                slots.get(lease.job_id) or None,
                reserves.get(lease.job_id),
                now_ms,
            )
            for lease in leases
        ],
        "INSERT INTO attempts (job_id, attempt, lane, worker, slot, reserved_ticks, outcome,"
        " marked_at_ms, polls)"
        " SELECT job_id, attempt, lane, worker, slot, reserve, 'marked', at, 0 FROM v"
        " WHERE job_id IS NOT NULL ON CONFLICT (job_id, attempt) DO NOTHING",
    )


def reserved_ticks(connection: Connection, keys: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the reserved ticks of some (job, attempt), by job; those without a reservation are left out."""
    found = bulk.execute(
        connection,
        _KEY,
        keys,
        "SELECT attempts.job_id, attempts.reserved_ticks FROM v JOIN attempts"
        " ON attempts.job_id = v.job_id AND attempts.attempt = v.attempt"
        " WHERE attempts.reserved_ticks IS NOT NULL",
    )
    return {row.job_id: row.reserved_ticks for row in found}


def record_accepted(connection: Connection, rows: Sequence[tuple[int, int, str, int, int]]) -> list[int]:
    """Write (job, attempt, request_id, sent_at_ms, accepted_at_ms); return the jobs that had no id yet."""
    found = bulk.execute(
        connection,
        [*_KEY, ("request_id", "TEXT"), ("sent", "BIGINT"), ("accepted", "BIGINT")],
        rows,
        "UPDATE attempts SET request_id = v.request_id, sent_at_ms = v.sent, accepted_at_ms = v.accepted,"
        " outcome = CASE WHEN outcome = 'marked' THEN 'accepted' ELSE outcome END"
        " FROM v WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt"
        " AND attempts.request_id IS NULL RETURNING attempts.job_id",
    )
    return [row[0] for row in found]


def record_ended(connection: Connection, event: Event, rows: Sequence[Requeue]) -> None:
    """Write the outcome of attempts that ended without a result."""
    bulk.execute(
        connection,
        [
            *_KEY,
            ("outcome", "TEXT"),
            ("status", "INT"),
            ("code", "TEXT"),
            ("message", "TEXT"),
            ("at", "BIGINT"),
            ("probable", "BIGINT"),
            ("possible", "BIGINT"),
        ],
        [
            (
                row.lease.job_id,
                row.lease.attempt,
                event,
                row.cause.http_status,
                row.cause.code,
                row.cause.message.replace("\0", "\ufffd"),
                row.at_ms,
                row.unread.probable_ticks if row.unread else None,
                row.unread.possible_ticks if row.unread else None,
            )
            for row in rows
        ],
        f"UPDATE attempts SET outcome = v.outcome, {_POLLS}, http_status = v.status, error_code = v.code,"
        " error_message = v.message, collected_at_ms = v.at, probable_ticks = v.probable,"
        " possible_ticks = v.possible"
        " FROM v WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


class RecordedUnreadCost(NamedTuple):
    """The cost that stands for a result that was not read; `cost` is None where it is unknown.

    `attempt` is the number of the attempt whose row has it.
    """

    attempt: int
    cost: UnreadCost | None


def unread_costs_of_late(
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


def unread_sums(connection: Connection, run_id: int) -> dict[str, int]:
    """Return the sums of a run's probable and possible ticks, by their names in the counters."""
    query = text(
        "SELECT COALESCE(SUM(probable_ticks), 0) AS probable_extra,"
        " COALESCE(SUM(possible_ticks), 0) AS possible_extra FROM attempts"
        f" WHERE {UNREAD} AND job_id >= :first AND job_id < :last"
    )
    values = {"first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return {key: int(n) for key, n in connection.execute(query, values).mappings().one().items()}


def unread_of_run(connection: Connection, run_id: int) -> list[Row[Any]]:
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


def write_unread_costs(connection: Connection, rows: Sequence[tuple[int, int, UnreadCost]]) -> None:
    """Write what some (job, attempt) may have cost."""
    bulk.execute(
        connection,
        [*_KEY, ("probable", "BIGINT"), ("possible", "BIGINT")],
        [(job, attempt, cost.probable_ticks, cost.possible_ticks) for job, attempt, cost in rows],
        "UPDATE attempts SET probable_ticks = v.probable, possible_ticks = v.possible FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


def clear_unread_costs(connection: Connection, keys: Sequence[tuple[int, int]]) -> None:
    """Clear the probable and possible ticks of some (job, attempt): their cost is known now."""
    bulk.execute(
        connection,
        _KEY,
        keys,
        "UPDATE attempts SET probable_ticks = NULL, possible_ticks = NULL FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )


def record_settled(connection: Connection, rows: Sequence[Settled]) -> None:
    """Write the outcome, usage and cost of settled results.

    What an attempt that was given up before its result came may have cost is kept: it stands for the attempt
    that followed it, which is now given up itself.
    """
    outcome = (
        f"outcome = v.outcome, {_POLLS}, http_status = 200, collected_at_ms = v.at,"
        " error_code = v.code, error_message = v.message, "
    )
    _write(connection, rows, outcome + _COSTS)


def record_cost(connection: Connection, rows: Sequence[Settled]) -> None:
    """Write the usage and cost of results that ended no job; the outcomes of their attempts are kept."""
    _write(connection, rows, _COSTS)


def _write(connection: Connection, rows: Sequence[Settled], change: str) -> None:
    bulk.execute(
        connection,
        [
            *_KEY,
            ("outcome", "TEXT"),
            ("at", "BIGINT"),
            ("code", "TEXT"),
            ("message", "TEXT"),
            ("model", "TEXT"),
            ("finish", "TEXT"),
            ("flaw", "TEXT"),
            ("prompt", "BIGINT"),
            ("cached", "BIGINT"),
            ("completion", "BIGINT"),
            ("reasoning", "BIGINT"),
            ("total", "BIGINT"),
            ("ticks", "BIGINT"),
            ("source", "TEXT"),
            ("as_of", "TEXT"),
        ],
        [
            (
                row.job_id,
                row.attempt,
                row.event,
                row.at_ms,
                row.cause.code if row.cause else None,
                row.cause.message.replace("\0", "\ufffd") if row.cause else None,
                row.cost.model,
                row.cost.finish_reason,
                row.cost.flaw,
                row.cost.prompt_tokens,
                row.cost.cached_tokens,
                row.cost.completion_tokens,
                row.cost.reasoning_tokens,
                row.cost.total_tokens,
                row.cost.ticks,
                row.cost.ticks_source,
                row.cost.prices_as_of,
            )
            for row in rows
        ],
        f"UPDATE attempts SET {change} FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )
    _add_unread_costs(connection, rows)


def _add_unread_costs(connection: Connection, rows: Sequence[Settled]) -> None:
    """Add what results without usage may have cost to what their rows have."""
    bulk.execute(
        connection,
        [*_KEY, ("probable", "BIGINT"), ("possible", "BIGINT")],
        [
            (row.job_id, row.attempt, row.cost.unread.probable_ticks, row.cost.unread.possible_ticks)
            for row in rows
            if row.cost.unread is not None
        ],
        "UPDATE attempts SET probable_ticks = COALESCE(probable_ticks, 0) + v.probable,"
        " possible_ticks = COALESCE(possible_ticks, 0) + v.possible FROM v"
        " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )
