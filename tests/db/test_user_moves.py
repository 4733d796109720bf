"""The moves that a user asks for: cancel, abandon, retry; in chunks, and counted."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest
from actors import event_of, trail_of
from live_runner import wait_until
from psycopg.errors import DeadlockDetected, LockNotAvailable
from run_driver import NOW_MS, RunDriver, new_run, received, requeue_row, settled, unread
from servers import has_waiting_statement
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from runner.cli.session.jobs import new_model
from runner.db.counts.counters import Deltas
from runner.db.jobs import chosen_jobs
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.runs import run_moves, runs
from runner.engine.runs import run_completion
from runner.rules.event_kinds import EventKind
from runner.rules.sending.rate_limits import NOT_GIVEN
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
    from runner.db.moves.user_moves import Walked
    from runner.db.session import Database

ALL = (
    JobState.PENDING,
    JobState.SUBMITTING,
    JobState.COLLECTING,  # before the waiting one, which must not be claimed
    JobState.WAITING,
    JobState.STORED,
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.HELD,
)
TICKS = 70
FAILED, HELD = (
    JobSelection(states=frozenset({JobState.FAILED})),
    JobSelection(states=frozenset({JobState.HELD})),
)


def one_of_each(database: Database) -> tuple[RunDriver, dict[JobState, int]]:
    """Load a run with a job in each state but cancelled; the pending one is leased."""
    driver = new_run(database, len(ALL))
    return driver, {state: driver.bring(state).job_id for state in ALL}


def cancel(driver: RunDriver, rows_max: int = 100) -> int:
    moved: int = driver.in_transaction(lambda c, d: user_moves.cancel(c, driver.run_id, NOW_MS, d, rows_max))
    return moved


def abandon(driver: RunDriver) -> int:
    moved: int = driver.in_transaction(
        lambda c, d: user_moves.abandon(c, driver.run_id, NOW_MS, d, lambda _: unread(TICKS))
    )
    return moved


def retry(driver: RunDriver, chosen: JobSelection, rows_max: int = 100) -> int:
    walked: Walked = driver.in_transaction(
        lambda c, d: user_moves.retry(c, driver.run_id, chosen, NOW_MS, d, rows_max)
    )
    return walked.moved


def test_cancel_ends_what_was_not_sent_and_what_is_held(database: Database) -> None:
    """Jobs in flight and ended jobs stay as they are."""
    driver, ids = one_of_each(database)

    assert cancel(driver) == 2
    now = {state: driver.state(job) for state, job in ids.items()}
    assert now == {
        state: JobState.CANCELLED if state in (JobState.PENDING, JobState.HELD) else state for state in ALL
    }
    assert driver.recount().items() <= driver.counts().items()


def test_a_cancelled_job_is_not_sent_by_the_holder_of_its_lease(database: Database) -> None:
    """The lease is from before the cancel, the send comes after."""
    driver = new_run(database, 1)
    (lease,) = driver.lease()
    cancel(driver)

    assert driver.send(lease) == set()
    assert driver.history(lease.job_id) == []


def test_abandon_leaves_the_answers_and_counts_what_they_may_have_cost(database: Database) -> None:
    """It moves the jobs whose results are waiting, or being fetched."""
    driver, ids = one_of_each(database)

    assert abandon(driver) == 2
    for state in (JobState.WAITING, JobState.COLLECTING):
        assert driver.state(ids[state]) is JobState.CANCELLED
        assert driver.history(ids[state])[-1].outcome == "abandoned"
    assert driver.count("ticks", "possible_extra") == 2 * TICKS
    assert driver.count("ticks", "probable_extra") == 2 * (TICKS // 3)
    assert driver.count("unread", "answers") == 3, "the held job has an unknown outcome"
    assert driver.count("attempts", "abandoned") == 2
    assert driver.recount().items() <= driver.counts().items()


def test_an_abandoned_answer_that_still_comes_is_kept(database: Database) -> None:
    """It was paid for: the job succeeds."""
    driver = new_run(database, 1)
    lease = driver.bring(JobState.COLLECTING)
    abandon(driver)

    assert driver.apply(result_moves.stored, received(lease.job_id, lease.attempt)) == {lease.job_id}
    driver.apply(
        result_moves.settled, settled(lease.job_id, lease.attempt, Event.SUCCEEDED, JobState.SUCCEEDED)
    )
    assert driver.state(lease.job_id) is JobState.SUCCEEDED
    assert driver.recount().items() <= driver.counts().items()


def test_a_cancelled_run_ends_when_nothing_of_it_is_in_flight(database: Database) -> None:
    """Until then it is collected; a job that is requeued is cancelled, too."""
    driver = new_run(database, 2)
    in_flight = driver.bring(JobState.SUBMITTING)
    with database.write() as connection:
        assert run_moves.cancel(connection, driver.run_id, NOW_MS)

    assert not close(driver)
    assert run_ids_at_work(database) == [driver.run_id]
    driver.apply(job_moves.not_sent, requeue_row(in_flight, JobState.PENDING))
    assert close(driver)
    assert driver.count("state", "cancelled") == 2
    assert run_ids_at_work(database) == []
    with database.read() as connection:
        run = runs.find(connection, driver.run_id)
    assert run is not None
    assert (run.state, run.is_over) == (RunState.CANCELLED, True)


def close(driver: RunDriver) -> bool:
    with driver.database.write() as connection:
        return run_completion.complete_if_done(connection, driver.run_id, NOW_MS, Deltas(0))


def run_ids_at_work(database: Database) -> list[int]:
    with database.read() as connection:
        return [run.id for run in runs.active_runs(connection)]


def test_a_failed_job_whose_attempt_was_accepted_has_one_extra_more(database: Database) -> None:
    """A job that the API refused has not: nothing was paid for it."""
    driver = new_run(database, 2)
    refused = driver.bring(JobState.FAILED)
    unusable = driver.bring(JobState.STORED)
    driver.apply(
        result_moves.settled, settled(unusable.job_id, unusable.attempt, Event.UNUSABLE, JobState.FAILED)
    )

    assert retry(driver, FAILED) == 2
    assert [driver.row(lease.job_id).extras for lease in (refused, unusable)] == [0, 1]
    assert driver.count("extra", "user_retry") == 1
    assert driver.counts().get(("code", "some-cause")) is None
    for lease in (refused, unusable):
        row = driver.row(lease.job_id)
        assert (row.state, row.error_code, row.finished_at_ms, row.spent) == ("pending", None, None, 0)
        assert len(driver.history(lease.job_id)) == 1
    assert driver.recount().items() <= driver.counts().items()


def test_a_held_job_has_no_further_extra(database: Database) -> None:
    """Its extra was counted when its outcome became unknown."""
    driver = new_run(database, 1)
    lease = driver.bring(JobState.HELD)

    assert retry(driver, HELD) == 1
    assert (driver.state(lease.job_id), driver.row(lease.job_id).extras) == (JobState.PENDING, 1)
    assert driver.count("extra", "user_retry") == 0


def test_a_retry_can_ask_for_lost_ones_or_for_a_code(database: Database) -> None:
    """Of the held jobs those whose result is gone; of the failed jobs those with the code."""
    driver = new_run(database, 3)
    unknown = driver.bring(JobState.HELD)
    lost = driver.bring(JobState.COLLECTING)
    driver.apply(job_moves.lost, requeue_row(lost, JobState.HELD))
    driver.bring(JobState.FAILED)

    gone = JobSelection(states=frozenset({JobState.HELD}), lost=True)
    with database.read() as connection:
        assert [group.n for group in chosen_jobs.matching_groups(connection, driver.run_id, gone)] == [1]
    assert retry(driver, gone) == 1
    assert (driver.state(unknown.job_id), driver.state(lost.job_id)) == (JobState.HELD, JobState.PENDING)
    assert retry(driver, JobSelection(states=FAILED.states, code="another")) == 0
    assert retry(driver, JobSelection(states=FAILED.states, code="some-cause")) == 1


@pytest.mark.parametrize("rows_max", [1, 3, 100])
def test_each_call_moves_no_more_than_it_may(database: Database, rows_max: int) -> None:
    """So that no process waits long for the database."""
    driver = new_run(database, 7)
    moved: list[int] = []
    while not moved or moved[-1]:
        moved.append(cancel(driver, rows_max))

    assert sum(moved) == 7
    assert max(moved) <= rows_max
    assert retry(driver, JobSelection(states=frozenset({JobState.CANCELLED})), 5) == 5
    assert driver.recount().items() <= driver.counts().items()


def test_a_retry_with_another_model_that_crosses_a_worker_is_done_again(postgres_database: Database) -> None:
    """Each holds what the other needs: PostgreSQL ends the user's transaction, which waited first."""
    body = b'{"model":"grok-4.3","messages":[{"role":"user","content":"hi"}]}'
    driver = new_run(postgres_database, 2, body=body)
    job = driver.bring(JobState.HELD).job_id
    with postgres_database.write() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET deadlock_timeout = '2s'"))
        run = runs.find(connection, driver.run_id)
    assert run is not None
    postgres_database.engine.dispose()
    begun = user_moves.JobsEvent(event=event_of(run.id), kind=EventKind.RETRIED, at_ms=NOW_MS)
    model = new_model.NewModel(name="grok-4.5", limits=NOT_GIVEN)
    given = (postgres_database, begun, run, HELD, model)
    user = threading.Thread(target=new_model.send_again, args=given)
    with postgres_database.engine.connect() as worker:
        worker.execute(text("SET deadlock_timeout = '60s'"))
        worker.execute(text("SELECT 1 FROM runs FOR UPDATE"))
        user.start()
        wait_until(lambda: has_waiting_statement(postgres_database), "it waits for the row")
        with contextlib.suppress(
            OperationalError
        ):  # after a stall of seconds here it is the worker's that ends
            worker.execute(text(f"UPDATE jobs SET misses = misses WHERE id = {job}"))
        worker.rollback()
    user.join(60)

    assert (driver.state(job), driver.row(job).model) == (JobState.PENDING, "grok-4.5")
    assert not driver.recount().items() - driver.counts().items()
    assert [found.new for found in trail_of(postgres_database)] == [{"jobs": 1}], "it is on record once"


@pytest.mark.parametrize(
    ("cause", "tries"), [(DeadlockDetected(), user_moves._DEADLOCKS_MAX), (LockNotAvailable(), 1)]
)
def test_only_a_deadlock_is_tried_again_and_not_for_ever(
    database: Database, cause: Exception, tries: int
) -> None:
    """The user sees what the database said."""
    tried: list[Deltas] = []

    def fails(_: object, deltas: Deltas) -> None:
        tried.append(deltas)
        raise OperationalError("UPDATE jobs", {}, cause)

    with pytest.raises(OperationalError) as raised:
        user_moves.move_chunk(database, fails)

    assert raised.value.orig is cause
    assert len(tried) == tries
