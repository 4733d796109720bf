"""The table `attempts`: a row is inserted before a POST leaves and completed with its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import bulk, statements
from runner.db.counts import uncertain_costs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from runner.db.moves.outcomes import Cost, Requeue, Settled
    from runner.db.workers.leases import Lease
    from runner.rules.states import Event

LANE = "deferred"
_KEY = [("job_id", "BIGINT"), ("attempt", "INT")]
_ACCEPTED = statements.read("attempt_accepted")
_ENDED = statements.read("attempt_ended")
_SETTLED = statements.read("attempt_settled")
_PRICED = statements.read("attempt_priced")


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
    found = _ACCEPTED.with_rows(connection, rows)
    return [row[0] for row in found]


def record_ended(connection: Connection, event: Event, rows: Sequence[Requeue]) -> None:
    """Write the outcome of attempts that ended without a result."""
    _ENDED.with_rows(
        connection,
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
    )


def record_settled(connection: Connection, rows: Sequence[Settled]) -> None:
    """Write the outcome, usage and cost of settled results.

    What an attempt that was given up before its result came may have cost is kept: it stands for the attempt
    that followed it, which is now given up itself.
    """
    _SETTLED.with_rows(
        connection,
        [
            (
                row.job_id,
                row.attempt,
                row.event,
                row.at_ms,
                row.cause.code if row.cause else None,
                row.cause.message.replace("\0", "\ufffd") if row.cause else None,
                *_cost(row.cost),
            )
            for row in rows
        ],
    )
    _add_uncertain(connection, rows)


def record_cost(connection: Connection, rows: Sequence[Settled]) -> None:
    """Write the usage and cost of results that ended no job; the outcomes of their attempts are kept."""
    _PRICED.with_rows(connection, [(row.job_id, row.attempt, *_cost(row.cost)) for row in rows])
    _add_uncertain(connection, rows)


def _cost(cost: Cost) -> tuple[str | int | None, ...]:
    return (
        cost.model,
        cost.finish_reason,
        cost.flaw,
        cost.prompt_tokens,
        cost.cached_tokens,
        cost.completion_tokens,
        cost.reasoning_tokens,
        cost.total_tokens,
        cost.ticks,
        cost.ticks_source,
        cost.prices_as_of,
    )


def _add_uncertain(connection: Connection, rows: Sequence[Settled]) -> None:
    uncertain = [
        (row.job_id, row.attempt, row.cost.uncertain) for row in rows if row.cost.uncertain is not None
    ]
    uncertain_costs.add(connection, uncertain)
