"""What was lost early is counted by what is learnt later: at once in its run, and at the run's end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from run_driver import (
    CAUSE,
    COST,
    NOW_MS,
    RunDriver,
    accepted,
    new_run,
    received,
    requeue_row,
    settled,
)

from runner.db.counts import result_costs
from runner.db.counts.counters import Deltas
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.runs import runs
from runner.engine.collecting import restate_costs
from runner.engine.runs import run_completion
from runner.engine.runs.active_runs import ActiveRun
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.engine.runs.run_monitor import RunMonitor
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.requests.output_estimate import LEARNT_MIN
from runner.rules.states import Event, JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from runner.db.session import Database

S = JobState
EACH: Final = 10_000_000  # ticks of an answer: $0.001
CAP: Final = UncertainCost(20_000_000, 3_200_000_000)  # before anything was learnt
LEARNT: Final = (EACH, EACH * 5 // 4)


def lost_early(database: Database, answers: int) -> tuple[RunDriver, int]:
    """Return a run with an unknown outcome and a 503 before so many answers; and the job of the first."""
    driver = new_run(database, answers + 2)
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(job_moves.ambiguous, replace(requeue_row(lease, S.HELD), uncertain=CAP))
    refuse_for_now(driver)
    answer(driver, answers)
    return driver, lease.job_id


def refuse_for_now(driver: RunDriver) -> None:
    """Send the next job and let it meet a 503."""
    (refused,) = driver.lease()
    driver.send(refused)
    row = replace(
        requeue_row(refused, S.PENDING),
        uncertain=UncertainCost(CAP.probable_ticks, 0),
        cause=replace(CAUSE, http_status=503),
    )
    driver.apply(job_moves.refused_for_now, row)


def answer(driver: RunDriver, count: int) -> None:
    """Settle the next jobs, at EACH ticks."""
    for _ in range(count):
        answered = driver.bring(S.STORED)
        driver.apply(
            result_moves.settled,
            settled(
                answered.job_id, answered.attempt, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=EACH)
            ),
        )


def costs(driver: RunDriver) -> tuple[int, int, int]:
    """Return the counters: probable without what refusals hide, possible, and what refusals hide."""
    hidden = driver.count("ticks", "probable_unavailable")
    probable = driver.count("ticks", "probable_extra")
    return probable - hidden, driver.count("ticks", "possible_extra"), hidden


def test_what_was_lost_before_is_restated_when_costs_are_learnt(database: Database) -> None:
    """In the attempts and in the counters alike; a second time changes nothing."""
    driver, lost = lost_early(database, LEARNT_MIN)
    assert costs(driver) == (*CAP[:2], CAP.probable_ticks)

    for _ in range(2):
        driver.in_transaction(lambda c, d: restate_costs.restate(c, driver.run_id, NOW_MS, TABLE_PRICES, d))
        assert costs(driver) == (*LEARNT, EACH)
        (attempt,) = driver.history(lost)
        assert (attempt.probable_ticks, attempt.possible_ticks) == LEARNT
    assert driver.count("unread", "answers") == 1
    assert driver.count("unread", "unavailable") == 1
    assert driver.recount().items() <= driver.counts().items()


def test_too_few_answers_teach_no_bound(database: Database) -> None:
    """Nineteen may all have been short."""
    driver, _ = lost_early(database, LEARNT_MIN - 1)
    driver.in_transaction(lambda c, d: restate_costs.restate(c, driver.run_id, NOW_MS, TABLE_PRICES, d))

    assert costs(driver) == (*CAP[:2], CAP.probable_ticks)


def test_a_run_that_ends_is_restated(database: Database) -> None:
    """A short run may end before its monitor looks."""
    driver, _ = lost_early(database, LEARNT_MIN)
    last = driver.bring(S.STORED)
    driver.apply(
        result_moves.settled,
        settled(last.job_id, last.attempt, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=EACH)),
    )

    with database.write() as connection:
        assert run_completion.complete_if_done(connection, driver.run_id, NOW_MS, Deltas(0))

    assert costs(driver) == (*LEARNT, EACH)


def test_the_monitor_restates_once_for_each_model_that_is_learnt(database: Database) -> None:
    """So that a budget does not pay for long answers to the end of the run."""
    driver, _ = lost_early(database, LEARNT_MIN)

    assert looked_at_twice(driver) == 1
    assert costs(driver) == (*LEARNT, EACH)


def test_the_monitor_restates_what_refusals_alone_may_hide(database: Database) -> None:
    """A run of which nothing was lost may have had a 503 before the first answer."""
    driver = new_run(database, LEARNT_MIN + 1)
    refuse_for_now(driver)
    answer(driver, LEARNT_MIN)
    assert costs(driver) == (0, 0, CAP.probable_ticks)

    assert looked_at_twice(driver) == 1
    assert costs(driver) == (0, 0, EACH)


def test_a_late_result_takes_both_numbers_back(database: Database) -> None:
    """The real cost stands for it now, and one answer less could not be read."""
    driver, lost = lost_early(database, 0)
    driver.in_transaction(
        lambda c, d: user_moves.retry(c, driver.run_id, JobSelection(states=frozenset({S.HELD})), NOW_MS, d)
    )
    again = next(lease for lease in driver.lease(9) if lease.job_id == lost)
    driver.send(again)
    driver.apply(job_moves.accepted, accepted(again))
    driver.apply(result_moves.stored, received(lost, 2))
    driver.apply(
        result_moves.settled, settled(lost, 2, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=EACH))
    )
    late = settled(lost, 1, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=3 * EACH))
    driver.apply(result_moves.stored, received(lost, 1))
    driver.in_transaction(lambda c, d: result_costs.count_late_results(c, [late], d))

    assert costs(driver) == (0, 0, CAP.probable_ticks)
    assert driver.count("unread", "answers") == 0
    assert driver.count("ticks", "reported") == 4 * EACH
    assert driver.count("dearest", "grok-4.3") == 3 * EACH


def looked_at_twice(driver: RunDriver) -> int:
    """Let the monitor of a worker look at the run twice; return its number of transactions."""
    group_commit = Commits(driver.database)
    active = [ActiveRun(run=_run(driver), counts=driver.counts())]
    monitor = RunMonitor(
        group_commit=group_commit,  # type: ignore[arg-type]
        now_ms=lambda: NOW_MS,
        active=lambda: active,
        pause=_pause,
        has_answers_due=lambda: False,
        clock_skew_s=lambda: 0.0,
    )
    asyncio.run(monitor.look())
    asyncio.run(monitor.look())
    return group_commit.count


class Commits:
    """Runs what the monitor asks for in transactions of its own, and counts them."""

    def __init__(self, database: Database) -> None:
        self._database, self.count = database, 0

    async def execute(self, work: Callable[[Connection, Deltas], Any]) -> Any:
        """Return what `work` returns, in one transaction."""
        self.count += 1
        with self._database.write() as connection:
            deltas = Deltas(0)
            result = work(connection, deltas)
            deltas.write(connection)
        return result


def _run(driver: RunDriver) -> Any:
    with driver.database.read() as connection:
        return runs.find(connection, driver.run_id)


async def _pause(_run_id: int, _reason: PauseReason, _why: str) -> None:
    raise AssertionError("nothing is to be paused")
