"""The table `attempts`: a row is inserted before a POST leaves and completed with its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import bulk, uncertain_costs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

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
                row.uncertain.probable_ticks if row.uncertain else None,
                row.uncertain.possible_ticks if row.uncertain else None,
            )
            for row in rows
        ],
        f"UPDATE attempts SET outcome = v.outcome, {_POLLS}, http_status = v.status, error_code = v.code,"
        " error_message = v.message, collected_at_ms = v.at, probable_ticks = v.probable,"
        " possible_ticks = v.possible"
        " FROM v WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
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
    uncertain = [
        (row.job_id, row.attempt, row.cost.uncertain) for row in rows if row.cost.uncertain is not None
    ]
    uncertain_costs.add(connection, uncertain)
