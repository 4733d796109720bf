"""Mark: put the attempts of leased jobs on record right before they are sent, as far as the budget goes."""

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
    """A leased job, its slot, and the ticks it reserves (None: nobody knows its price)."""

    job: Leased
    slot: str = ""
    reserve_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """The bodies and conversation ids of the jobs that were marked; whether the budget kept others back."""

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
    """Mark leased jobs of one run as being sent; give back those that its bounds do not let go.

    These are `max_waiting`, as the database counts now what is out, and the budget; `scouts`: whether
    nobody knows yet what answers of these models cost. PostgreSQL lets several processes count at once:
    without a budget each may then be over `max_waiting` by what it marks in that moment.
    """
    room = max(0, options.max_waiting - counters.out(connection, wanted[0].job.lease.run_id))
    affordable = wanted[:room]
    if affordable and options.budget_ticks is not None:
        count = admitted(connection, deltas, affordable, scouts=scouts, now_ms=now_ms)
        affordable = affordable[:count]
    leases.release(connection, [one.job.lease for one in wanted[len(affordable) :]])
    moved = jobs.send(
        connection,
        [one.job.lease for one in affordable],
        worker=worker,
        now_ms=now_ms,
        until_ms=until_ms,
        deltas=deltas,
        slots={one.job.lease.job_id: one.slot for one in affordable},
        reserves={one.job.lease.job_id: one.reserve_ticks for one in affordable},
    )
    return Marked(
        bodies=results.bodies(connection, sorted(moved)), is_short=len(affordable) < len(wanted[:room])
    )


def admitted(
    connection: Connection, deltas: Deltas, wanted: Sequence[Wanted], *, scouts: bool, now_ms: int
) -> int:
    """Count how many jobs of a run, from the first on, its budget lets go; the run stays locked.

    With none let go and none out the run is paused: nothing will come back that could make room.
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
    room = None
    if scouts:
        room = SCOUTS - budget.out_of(connection, run_id, {one.job.model for one in wanted})
    count = account.fitting(reserves, room)
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
