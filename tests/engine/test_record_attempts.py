"""Marking within a budget, on both databases: what fits goes, the rest is given back, nobody overdraws."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from run_driver import COST, LEASE_MS, NOW_MS, RunDriver, accepted, new_run, received, requeue_row, settled
from sqlalchemy import text

from runner.db.counts import budget_account
from runner.db.counts.counters import Deltas
from runner.db.moves import job_moves, result_moves
from runner.db.moves.outcomes import Cause
from runner.db.runs import run_row, runs, stored_options
from runner.db.runs.run_row import RunOptions
from runner.engine.sending.record_attempts import AttemptToSend, record_attempts
from runner.rules.costs.budget import Account
from runner.rules.sending.probes import PROBES
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.db.session import Database
    from runner.db.workers.leases import Lease, LeasedJob

S = JobState
SAFETY = Cause(code="safety", http_status=403)


def budgeted(database: Database, ticks: int | None, count: int = 6, reserve: int = 100) -> RunDriver:
    """Load and start a run with a budget; its attempts reserve so much."""
    driver = new_run(database, count, RunOptions(budget_ticks=ticks))
    return replace(driver, reserve_ticks=reserve)


def go(
    driver: RunDriver,
    taken: Sequence[LeasedJob],
    reserve: int | None,
    *,
    costs_unknown: bool = False,
    worker: int = 7,
) -> int:
    """Mark leased jobs that reserve so much each; return how many the budget let go."""
    with driver.database.write() as connection:
        deltas = Deltas(worker)
        marked = record_attempts(
            connection,
            deltas,
            [AttemptToSend(job=job, reserve_ticks=reserve) for job in taken],
            options=RunOptions(budget_ticks=1),
            costs_unknown=costs_unknown,
            worker=worker,
            now_ms=NOW_MS,
            until_ms=NOW_MS + LEASE_MS,
        )
        deltas.write(connection)
    assert marked.is_over_budget == (len(marked.bodies) < len(taken))
    return len(marked.bodies)


def run_of(driver: RunDriver) -> run_row.RunRow:
    """Return the run's row."""
    with driver.database.read() as connection:
        found = runs.find(connection, driver.run_id)
    assert found is not None
    return found


def test_what_fits_goes_and_the_rest_is_free_again(database: Database) -> None:
    """Three of 100 fit into 350; the others are pending, in nobody's hands, and another may lease them."""
    driver = budgeted(database, 350)
    taken = driver.leased(rows_max=5)

    assert go(driver, taken, 100) == 3
    assert [driver.state(job.lease.job_id) for job in taken] == [S.SUBMITTING] * 3 + [S.PENDING] * 2
    assert driver.row(taken[4].lease.job_id).lease_owner is None
    assert driver.count("ticks", "reserved") == 300
    assert [row.reserved_ticks for row in driver.history(taken[0].lease.job_id)] == [100]
    assert run_of(driver).state is RunState.RUNNING, "what is out may come back cheaper"
    assert len(driver.leased(rows_max=9)) == 3


def test_room_comes_back_with_what_settles_cheaper(database: Database) -> None:
    """The reserve goes, the actual cost stays; then the next one fits."""
    driver = budgeted(database, 1_150)
    (first,) = driver.leased(rows_max=1)
    assert go(driver, [first], 1_100) == 1
    assert go(driver, driver.leased(rows_max=1), 100) == 0
    driver.apply(job_moves.accepted, accepted(first.lease))
    driver.apply(result_moves.stored, received(first.lease.job_id))
    cost = replace(COST, ticks=1_000)
    driver.apply(result_moves.settled, settled(first.lease.job_id, 1, Event.SUCCEEDED, S.SUCCEEDED, cost))

    assert driver.count("ticks", "reserved") == 0
    assert go(driver, driver.leased(rows_max=2), 100) == 1


def test_the_run_pauses_when_nothing_fits_and_nothing_is_out(database: Database) -> None:
    """With a sentence that says how much a job reserves; nothing was sent."""
    driver = budgeted(database, 10**9)

    assert go(driver, driver.leased(rows_max=2), 2 * 10**9) == 0
    run = run_of(driver)
    assert (run.state, run.pause_reason) == (RunState.PAUSED, "budget")
    assert run.pause_text == "$0.0000 of the budget of $0.1000 are used, and the next job reserves $0.2000"
    assert driver.rows("SELECT * FROM attempts") == []


def test_a_worker_that_knows_no_price_sends_nothing(database: Database) -> None:
    """Another host may lack the prices in its runner.toml: unknown is not free."""
    driver = budgeted(database, 10**9)

    assert go(driver, driver.leased(rows_max=2), None) == 0
    assert run_of(driver).pause_text == "a budget needs prices, and a worker knows none for grok-4.3"


def test_few_go_while_nobody_knows_the_costs(database: Database) -> None:
    """A reserve that is too low cannot do much harm then."""
    driver = budgeted(database, 10**9, count=3 * PROBES)

    assert go(driver, driver.leased(rows_max=PROBES - 2), 1, costs_unknown=True) == PROBES - 2
    assert go(driver, driver.leased(rows_max=9), 1, costs_unknown=True) == 2
    assert go(driver, driver.leased(rows_max=9), 1, costs_unknown=True) == 0
    assert run_of(driver).state is RunState.RUNNING
    assert go(driver, driver.leased(rows_max=9), 1) == 9


def test_each_model_has_probes_of_its_own(database: Database) -> None:
    """What is out of a model whose costs are known keeps none of another's back."""
    driver = budgeted(database, 10**9, count=4 * PROBES)
    assert go(driver, driver.leased(rows_max=2 * PROBES), 1) == 2 * PROBES
    others = driver.leased(rows_max=2 * PROBES)
    with database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET model = 'grok-4.6' WHERE id >= :first"), {"first": others[0].lease.job_id}
        )
    assert go(driver, [replace(job, model="grok-4.6") for job in others], 1, costs_unknown=True) == PROBES


def test_another_budget_holds_at_once(database: Database) -> None:
    """The transaction reads it itself; without one everything goes."""
    driver = budgeted(database, 100)
    for ticks, fits in ((250, 2), (None, 3)):
        with database.write() as connection:
            stored_options.change(connection, driver.run_id, {"budget_ticks": ticks}, NOW_MS)
        assert go(driver, driver.leased(rows_max=3), 100) == fits


@pytest.mark.parametrize(
    ("bring", "end", "reserved", "used"),
    [
        (S.SUBMITTING, lambda lease: (job_moves.not_sent, requeue_row(lease, S.PENDING)), 0, 0),
        (S.SUBMITTING, lambda lease: (job_moves.refused_for_now, requeue_row(lease, S.PENDING)), 0, 0),
        (S.SUBMITTING, lambda lease: (job_moves.refused, requeue_row(lease, S.FAILED)), 0, 0),
        (
            S.SUBMITTING,
            lambda lease: (job_moves.refused, replace(requeue_row(lease, S.FAILED, 70), cause=SAFETY)),
            0,
            70,
        ),
        (S.SUBMITTING, lambda lease: (job_moves.accepted, accepted(lease)), 100, 0),
        (S.SUBMITTING, lambda lease: (job_moves.ambiguous, requeue_row(lease, S.PENDING)), 0, 100),
        (S.SUBMITTING, lambda lease: (job_moves.ambiguous, requeue_row(lease, S.HELD, 150)), 0, 150),
        (S.COLLECTING, lambda lease: (job_moves.lost, requeue_row(lease, S.HELD, 50)), 0, 100),
        (S.COLLECTING, lambda lease: (job_moves.generation_failed, requeue_row(lease, S.PENDING)), 0, 100),
        (S.COLLECTING, lambda lease: (job_moves.generation_failed, requeue_row(lease, S.FAILED)), 0, 100),
        (S.COLLECTING, lambda lease: (result_moves.stored, received(lease.job_id)), 100, 0),
        (S.STORED, lambda lease: (result_moves.settled, classification(lease, S.SUCCEEDED, 30)), 0, 30),
        (S.STORED, lambda lease: (result_moves.settled, classification(lease, S.PENDING, 30)), 0, 30),
        (S.STORED, lambda lease: (result_moves.settled, classification(lease, S.FAILED, None)), 0, 100),
        (S.STORED, lambda lease: (result_moves.settled, classification(lease, S.PENDING, None)), 0, 100),
        (S.HELD, lambda lease: (result_moves.stored, received(lease.job_id)), 100, 0),  # there after all
    ],
)  # fmt: skip
def test_every_end_of_an_attempt_settles_its_reserve(
    database: Database,
    bring: JobState,
    end: Callable[[Lease], tuple[job_moves.MoveFunction, object]],
    reserved: int,
    used: int,
) -> None:
    """What surely cost nothing is given back; what nobody can price counts as much as it had reserved."""
    driver = budgeted(database, 10**6, count=1)
    move, row = end(driver.bring(bring))

    driver.apply(move, row)

    assert account(driver) == Account(
        budget_ticks=10**6, used_ticks=used, reserved_ticks=reserved, in_flight=int(reserved > 0)
    )


def classification(lease: Lease, target: JobState, ticks: int | None) -> object:
    """Judge a stored answer with or without a price."""
    event = Event.SUCCEEDED if target is S.SUCCEEDED else Event.UNUSABLE
    cost = replace(COST, ticks=ticks, ticks_source="unknown" if ticks is None else "reported")
    return settled(lease.job_id, lease.attempt, event, target, cost)


def account(driver: RunDriver) -> Account:
    """Look at the run's account."""
    found = driver.in_transaction(
        lambda connection, deltas: budget_account.lock_account(connection, driver.run_id, deltas)
    )
    assert isinstance(found, Account)
    return found


def test_two_workers_do_not_both_take_the_last_room(postgres_database: Database) -> None:
    """Eight at once ask for room that three have: the run's lock lets them look one after the other."""
    driver = budgeted(postgres_database, 350, count=8)
    taken = driver.leased(rows_max=8)
    start = threading.Barrier(8)
    let_go: list[int] = []

    def work(number: int) -> None:
        start.wait(120)
        let_go.append(go(driver, [taken[number]], 100, worker=number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(let_go) == [0] * 5 + [1] * 3
    assert driver.count("ticks", "reserved") == 300


def test_a_run_without_a_budget_takes_no_lock(postgres_database: Database) -> None:
    """While somebody else holds the run's row, its jobs are marked all the same."""
    driver = budgeted(postgres_database, None)
    taken = driver.leased(rows_max=2)
    with postgres_database.write() as other:
        budget_account.lock_account(other, driver.run_id, Deltas(0))
        with postgres_database.write() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            deltas = Deltas(1)
            marked = record_attempts(
                connection,
                deltas,
                [AttemptToSend(job=job, reserve_ticks=100) for job in taken],
                options=RunOptions(),
                costs_unknown=False,
                worker=1,
                now_ms=NOW_MS,
                until_ms=NOW_MS + LEASE_MS,
            )
            deltas.write(connection)

    assert len(marked.bodies) == 2
