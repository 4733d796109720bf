"""Mark: put the attempts of leased jobs on record right before they are sent, as far as the budget goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import budget, jobs, leases, results, runs
from runner.rules.budget import SCOUTS, Account
from runner.rules.money import dollars
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import Leased

Wanted = tuple["Leased", int | None]  # a job, and the ticks it reserves; None: nobody knows its price


def mark(
    connection: Connection,
    deltas: Deltas,
    wanted: Sequence[Wanted],
    *,
    budgeted: bool,
    scouts: bool,
    worker: int,
    now_ms: int,
    until_ms: int,
) -> tuple[int, dict[int, tuple[bytes, str | None]]]:
    """Mark leased jobs of one run as being sent; give back those that its budget does not let go.

    `budgeted`: whether the run has a budget; `scouts`: whether nobody knows yet what answers cost. Return
    how many the budget let go, and the bodies of those that were marked, by job.
    """
    count = admitted(connection, deltas, wanted, scouts=scouts, now_ms=now_ms) if budgeted else len(wanted)
    leases.release(connection, [job.lease for job, _ in wanted[count:]])
    moved = jobs.send(
        connection,
        [job.lease for job, _ in wanted[:count]],
        worker=worker,
        now_ms=now_ms,
        until_ms=until_ms,
        deltas=deltas,
        reserves={job.lease.job_id: ticks for job, ticks in wanted},
    )
    return count, results.bodies(connection, sorted(moved))


def admitted(
    connection: Connection, deltas: Deltas, wanted: Sequence[Wanted], *, scouts: bool, now_ms: int
) -> int:
    """Count how many jobs of a run, from the first on, its budget lets go; the run stays locked.

    With none let go and none out the run is paused: nothing will come back that could make room.
    """
    run_id = wanted[0][0].lease.run_id
    account = budget.account(connection, run_id, deltas)
    if account is None:
        return len(wanted)
    reserves = [ticks for _, ticks in wanted if ticks is not None]
    if len(reserves) < len(wanted):
        model = next(job.model for job, ticks in wanted if ticks is None)
        runs.pause(connection, run_id, PauseReason.BUDGET, _no_price(model), now_ms)
        return 0
    count = account.fitting(reserves, SCOUTS if scouts else None)
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
