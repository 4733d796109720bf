"""Record the attempts of leased jobs right before they are sent, as far as the run's bounds allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.answers import results
from runner.db.counts import budget_account, counters
from runner.db.moves import job_moves
from runner.db.runs import run_moves
from runner.db.workers import leases
from runner.rules.money import dollars
from runner.rules.sending.probes import PROBES
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.runs.run_row import RunOptions
    from runner.db.workers.leases import LeasedJob
    from runner.rules.costs.budget import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptToSend:
    """A leased job, the id of its slot, and the ticks it reserves (None: its price is unknown)."""

    job: LeasedJob
    slot: str = ""
    reserve_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempts:
    """`bodies`: body and conversation id by job id. `is_over_budget`: the budget refused some."""

    bodies: dict[int, tuple[bytes, str | None]]
    is_over_budget: bool


def record_attempts(
    connection: Connection,
    deltas: Deltas,
    attempts: Sequence[AttemptToSend],
    *,
    options: RunOptions,
    costs_unknown: bool,
    worker: int,
    now_ms: int,
    until_ms: int,
) -> RecordedAttempts:
    """Move leased jobs of one run to `submitting`; release those that its bounds do not allow.

    The bounds are `max_waiting`, against what is in flight now, and the budget. `costs_unknown`: whether the
    cost of these models' answers is still unknown; then only PROBES jobs of them may be in flight. On
    PostgreSQL several processes may count at the same time: without a budget each may exceed `max_waiting`
    by the jobs of one call.
    """
    capacity = max(
        0, options.max_waiting - counters.count_in_flight(connection, attempts[0].job.lease.run_id)
    )
    allowed = attempts[:capacity]
    if allowed and options.budget_ticks is not None:
        count = affordable_count(connection, deltas, allowed, costs_unknown=costs_unknown, now_ms=now_ms)
        allowed = allowed[:count]
    leases.release(connection, [one.job.lease for one in attempts[len(allowed) :]])
    moved = job_moves.send(
        connection,
        [one.job.lease for one in allowed],
        worker=worker,
        now_ms=now_ms,
        until_ms=until_ms,
        deltas=deltas,
        slots={one.job.lease.job_id: one.slot for one in allowed},
        reserves={one.job.lease.job_id: one.reserve_ticks for one in allowed},
    )
    return RecordedAttempts(
        bodies=results.request_bodies(connection, sorted(moved), _asked_after(allowed)),
        is_over_budget=len(allowed) < len(attempts[:capacity]),
    )


def _asked_after(attempts: Sequence[AttemptToSend]) -> dict[int, int]:
    """Return the attempts whose invalid answers jobs are asked again for, by job."""
    jobs = (one.job for one in attempts)
    return {job.lease.job_id: job.asked_after for job in jobs if job.asked_after is not None}


def affordable_count(
    connection: Connection,
    deltas: Deltas,
    wanted: Sequence[AttemptToSend],
    *,
    costs_unknown: bool,
    now_ms: int,
) -> int:
    """Return how many jobs of a run, from the first on, its budget allows; the run's row stays locked.

    If it allows none and none is in flight, the run is paused: no answer can free a reservation.
    """
    run_id = wanted[0].job.lease.run_id
    account = budget_account.lock_account(connection, run_id, deltas)
    if account is None:
        return len(wanted)
    unpriced = [one.job.model for one in wanted if one.reserve_ticks is None]
    if unpriced:
        run_moves.pause(connection, run_id, PauseReason.BUDGET, _no_price(unpriced[0]), now_ms)
        return 0
    reserves = [one.reserve_ticks or 0 for one in wanted]
    probes_left = _probes_left(connection, wanted) if costs_unknown else None
    count = account.count_fitting(reserves, probes_left)
    if count == 0 and account.in_flight == 0:
        run_moves.pause(connection, run_id, PauseReason.BUDGET, _used_up(account, reserves[0]), now_ms)
    return count


def _probes_left(connection: Connection, wanted: Sequence[AttemptToSend]) -> int:
    """Return how many more jobs of these models may be in flight while their cost is unknown."""
    models = {one.job.model for one in wanted}
    return PROBES - budget_account.count_in_flight(connection, wanted[0].job.lease.run_id, models)


def _used_up(account: Account, next_ticks: int) -> str:
    return (
        f"{dollars(account.used_ticks)} of the budget of {dollars(account.budget_ticks)} are used,"
        f" and the next job reserves {dollars(next_ticks)}"
    )


def _no_price(model: str) -> str:
    return f"a budget needs prices, and a worker knows none for {model}"
