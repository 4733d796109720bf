"""Record the attempts of leased jobs right before they are sent, as far as the run's bounds allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db import budget, counters, jobs, leases, results, runs
from runner.rules.budget import SCOUTS, Account
from runner.rules.money import dollars
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import Leased
    from runner.db.runs import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A leased job, the id of its slot, and the ticks it reserves (None: its price is unknown)."""

    job: Leased
    slot: str = ""
    reserve_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """`bodies`: body and conversation id by job id. `is_short`: the budget refused others."""

    bodies: dict[int, tuple[bytes, str | None]]
    is_short: bool


def mark(
    connection: Connection,
    deltas: Deltas,
    wanted: Sequence[Wanted],
    *,
    options: RunOptions,
    scouts: bool,
    worker: int,
    now_ms: int,
    until_ms: int,
) -> Marked:
    """Move leased jobs of one run to `submitting`; release those that its bounds do not allow.

    The bounds are `max_waiting`, against what is in flight now, and the budget. `scouts`: whether the cost
    of these models' answers is still unknown. On PostgreSQL several processes may count at the same time:
    without a budget each may exceed `max_waiting` by the jobs of one call.
    """
    capacity = max(0, options.max_waiting - counters.out(connection, wanted[0].job.lease.run_id))
    allowed = wanted[:capacity]
    if allowed and options.budget_ticks is not None:
        count = admitted(connection, deltas, allowed, scouts=scouts, now_ms=now_ms)
        allowed = allowed[:count]
    leases.release(connection, [one.job.lease for one in wanted[len(allowed) :]])
    moved = jobs.send(
        connection,
        [one.job.lease for one in allowed],
        worker=worker,
        now_ms=now_ms,
        until_ms=until_ms,
        deltas=deltas,
        slots={one.job.lease.job_id: one.slot for one in allowed},
        reserves={one.job.lease.job_id: one.reserve_ticks for one in allowed},
    )
    return Marked(
        bodies=results.bodies(connection, sorted(moved)), is_short=len(allowed) < len(wanted[:capacity])
    )


def admitted(
    connection: Connection, deltas: Deltas, wanted: Sequence[Wanted], *, scouts: bool, now_ms: int
) -> int:
    """Return how many jobs of a run, from the first on, its budget allows; the run's row stays locked.

    If it allows none and none is in flight, the run is paused: no answer can free a reservation.
    """
    run_id = wanted[0].job.lease.run_id
    account = budget.account(connection, run_id, deltas)
    if account is None:
        return len(wanted)
    reserves = [one.reserve_ticks for one in wanted if one.reserve_ticks is not None]
    if len(reserves) < len(wanted):
        model = next(one.job.model for one in wanted if one.reserve_ticks is None)
        runs.pause(connection, run_id, PauseReason.BUDGET, _no_price(model), now_ms)
        return 0
    probes_left = None
    if scouts:
        probes_left = SCOUTS - budget.out_of(connection, run_id, {one.job.model for one in wanted})
    count = account.fitting(reserves, probes_left)
    if count == 0 and account.out == 0:
        runs.pause(connection, run_id, PauseReason.BUDGET, _used_up(account, reserves[0]), now_ms)
    return count


def _used_up(account: Account, next_ticks: int) -> str:
    return (
        f"{dollars(account.used_ticks)} of the budget of {dollars(account.budget_ticks)} are used,"
        f" and the next job reserves {dollars(next_ticks)}"
    )


def _no_price(model: str) -> str:
    return f"a budget needs prices, and a worker knows none for {model}"
