"""Asking again: an invalid answer sends its job once more, with a body that is made each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from run_driver import CAUSE, COST, NOW_MS, accepted, first_job, new_run, received, requeue_row, settled

from runner.db.answers import results
from runner.db.counts import counters, result_costs
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.moves.outcomes import LabelCheck
from runner.db.runs import runs
from runner.db.workers import leases, orphans
from runner.rules.labels.follow_up import follow_up
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from run_driver import RunDriver

    from runner.db.session import Database
    from runner.db.workers.leases import LeasedJob

S = JobState
BODY = b'{"model":"grok-4.3","messages":[{"role":"user","content":"Good or bad?"}]}'
TOKENS = 25  # what asking again adds to the prompt
FIRST = LabelCheck(is_first=True, ask_tokens=TOKENS, asks_max=2)
AGAIN = LabelCheck(ask_tokens=TOKENS, asks_max=2)


def answer(content: str) -> bytes:
    """Return the bytes of an answer."""
    return orjson.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})


def leased(driver: RunDriver) -> LeasedJob:
    (job,) = driver.leased(rows_max=1)
    return job


def answered(driver: RunDriver, content: str = "bad") -> int:
    """Send the next job and store its answer; return the attempt."""
    lease = leased(driver).lease
    driver.send(lease)
    driver.apply(job_moves.accepted, accepted(lease))
    driver.apply(result_moves.stored, received(lease.job_id, lease.attempt, answer(content)))
    return lease.attempt


def ask_again(driver: RunDriver, label_check: LabelCheck = FIRST, content: str = "bad") -> int:
    """Send the next job and settle its answer as invalid; return the attempt."""
    attempt = answered(driver, content)
    row = settled(first_job(driver), attempt, Event.INVALID, S.PENDING, label_check=label_check)
    assert driver.apply(result_moves.settled, row) == {first_job(driver)}
    return attempt


def asked_body(driver: RunDriver) -> bytes:
    """Return the body that the next lease of the job sends."""
    job = leased(driver)
    asked = {} if job.asked_after is None else {job.lease.job_id: job.asked_after}
    with driver.database.read() as connection:
        return results.request_bodies(connection, [job.lease.job_id], asked)[job.lease.job_id][0]


def columns(driver: RunDriver) -> tuple[object, ...]:
    row = driver.row(first_job(driver))
    return row.state, row.asks, row.asked_after, row.ask_tokens, row.spent, row.extras


def test_an_invalid_answer_spends_no_attempt_and_is_no_automatic_extra(database: Database) -> None:
    """It has a reason of its own, and its cost is that of any other answer."""
    driver = new_run(database, 1, body=BODY)

    ask_again(driver)

    assert columns(driver) == (S.PENDING, 1, 1, TOKENS, 0, 0)
    assert driver.count("extra", "reask") == 1
    assert driver.count("extra", "invalid") == 0
    assert driver.count("invalid", "first") == 1
    assert driver.count("ticks", "reported") == COST.ticks
    (attempt,) = driver.history(first_job(driver))
    assert (attempt.outcome, attempt.error_code, attempt.error_message, attempt.ticks) == (
        "invalid",
        CAUSE.code,
        CAUSE.message,
        COST.ticks,
    )
    counted = driver.counts()
    assert {key: n for key, n in driver.recount().items() if counted.get(key) != n} == {}


def test_a_job_that_was_asked_often_enough_fails(database: Database) -> None:
    """What it was asked for the last time stays on record."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)
    ask_again(driver, AGAIN)
    attempt = answered(driver)

    driver.apply(
        result_moves.settled, settled(first_job(driver), attempt, Event.INVALID, S.FAILED, label_check=AGAIN)
    )

    assert columns(driver) == (S.FAILED, 2, 2, TOKENS, 0, 0)
    assert driver.row(first_job(driver)).answered_by == 3
    assert driver.count("extra", "reask") == 2
    assert (driver.count("invalid", "first"), driver.count("invalid", "again")) == (1, 2)
    assert driver.count("code", CAUSE.code) == 1


def test_the_body_is_made_of_the_last_invalid_answer(database: Database) -> None:
    """Never of those before: a prompt that grows with each ask costs more each time."""
    driver = new_run(database, 1, body=BODY)
    assert asked_body(driver) == BODY
    driver.change(first_job(driver), "lease_owner = NULL, lease_until_ms = NULL")

    ask_again(driver, content="first answer")
    ask_again(driver, AGAIN, content="second answer")
    body = asked_body(driver)

    assert body == follow_up(BODY, "second answer", CAUSE.message)
    assert b"first answer" not in body
    (payload,) = driver.rows("SELECT body FROM payloads")
    assert bytes(payload.body) == BODY


def test_what_is_loaded_is_shown_as_it_was(database: Database) -> None:
    """Whatever its answers were."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)

    with database.read() as connection:
        assert results.loaded_bodies(connection, [first_job(driver)])[first_job(driver)][0] == BODY


def test_a_model_that_a_user_set_is_in_the_body_that_asks_again(database: Database) -> None:
    """The answer and its fault are added to that body."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE payloads SET set_model = 'grok-4'")

    assert asked_body(driver) == follow_up(BODY.replace(b"grok-4.3", b"grok-4"), "bad", CAUSE.message)


def test_limits_and_budgets_see_the_longer_prompt(database: Database) -> None:
    """From the lease on to the answer, also where a dead worker leaves the job."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)
    prompt = driver.row(first_job(driver)).prompt_tokens

    job = leased(driver)
    assert (job.prompt_tokens, job.asks, job.asked_after) == (prompt + TOKENS, 1, 1)
    driver.send(job.lease)
    with database.read() as connection:
        (orphan,) = orphans.of_worker(connection, driver.worker)
    assert orphan.prompt_tokens == prompt + TOKENS
    driver.apply(job_moves.accepted, accepted(job.lease))
    (claimed,) = driver.claim()
    assert (claimed.prompt_tokens, claimed.asks) == (prompt + TOKENS, 1)
    driver.apply(result_moves.stored, received(job.lease.job_id, job.lease.attempt))
    with database.read() as connection:
        (unsettled,) = orphans.unsettled_results(connection, 9)
    assert (unsettled.prompt_tokens, unsettled.asks) == (prompt + TOKENS, 1)


def test_a_request_that_is_lost_asks_the_same_again(database: Database) -> None:
    """An unknown outcome is an extra, and changes nothing of what is asked."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)
    lease = leased(driver).lease
    driver.send(lease)
    driver.apply(job_moves.ambiguous, requeue_row(lease, S.PENDING))

    assert columns(driver) == (S.PENDING, 1, 1, TOKENS, 0, 1)
    assert asked_body(driver) == follow_up(BODY, "bad", CAUSE.message)


def test_a_user_that_retries_begins_with_the_loaded_body(database: Database) -> None:
    """All asks are allowed once more; those that were paid stay in the counters."""
    driver = new_run(database, 1, body=BODY)
    ask_again(driver)
    attempt = answered(driver)
    job = first_job(driver)
    driver.apply(result_moves.settled, settled(job, attempt, Event.INVALID, S.FAILED, label_check=AGAIN))

    chosen = JobSelection(states=frozenset({S.FAILED}))
    driver.in_transaction(lambda c, d: user_moves.retry(c, driver.run_id, chosen, NOW_MS, d))

    assert columns(driver) == (S.PENDING, 0, None, 0, 0, 1)
    assert asked_body(driver) == BODY
    assert (driver.count("extra", "reask"), driver.count("extra", "user_retry")) == (1, 1)
    assert driver.count("code", CAUSE.code) == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET finished_at_ms = 1",
        "UPDATE jobs SET error_code = 'cancelled'",
        "UPDATE jobs SET asks = 2",
    ],
)
def test_some_jobs_are_not_asked_again(database: Database, change: str) -> None:
    """Their run is over, they were cancelled, or a late answer was judged by an older count of asks."""
    driver = new_run(database, 1, body=BODY)
    attempt = answered(driver)
    with database.write() as connection:
        connection.exec_driver_sql(change)

    row = settled(first_job(driver), attempt, Event.INVALID, S.PENDING, label_check=FIRST)
    driver.apply(result_moves.settled, row)

    assert driver.state(first_job(driver)) is S.FAILED
    assert driver.count("extra", "reask") == 0
    assert driver.count("code", CAUSE.code) == 1


def test_a_late_answer_to_the_first_ask_is_priced_and_ends_nothing(database: Database) -> None:
    """The second ask has ended the job; the first attempt was taken for lost before."""
    driver = new_run(database, 1, body=BODY)
    lost = leased(driver).lease
    driver.send(lost)
    driver.apply(job_moves.accepted, accepted(lost))
    (claimed,) = driver.claim()
    driver.apply(job_moves.lost, requeue_row(claimed.lease, S.PENDING, 90))
    ask_again(driver)
    attempt = answered(driver, "good")
    job = first_job(driver)
    driver.apply(result_moves.settled, settled(job, attempt, Event.SUCCEEDED, S.SUCCEEDED))

    row = settled(job, lost.attempt, Event.INVALID, S.PENDING, label_check=FIRST)
    assert driver.apply(result_moves.stored, received(job, lost.attempt)) == set()
    driver.in_transaction(lambda c, d: result_costs.count_late_results(c, [row], d))

    assert driver.state(job) is S.SUCCEEDED
    assert driver.count("ticks", "reported") == 3 * (COST.ticks or 0)
    assert driver.count("extra", "reask") == 1
    with database.write() as connection:
        assert not counters.recount(connection, driver.run_id)


def test_labels_and_repairs_of_succeeded_jobs_are_counted(database: Database) -> None:
    """Those of answers that ended no job are not."""
    driver = new_run(database, 1, body=BODY)
    found = LabelCheck(repair="fence", labels=("sentiment=good", "urgent=true"))
    attempt = answered(driver)

    driver.apply(
        result_moves.settled,
        settled(first_job(driver), attempt, Event.SUCCEEDED, S.SUCCEEDED, label_check=found),
    )

    counted = {key: n for key, n in driver.counts().items() if key[0] in ("label", "repaired", "invalid")}
    assert counted == {("repaired", "fence"): 1, ("label", "sentiment=good"): 1, ("label", "urgent=true"): 1}


def test_a_recipe_and_what_it_needs_are_kept_with_the_run(database: Database) -> None:
    """Other runs have neither."""
    plain = new_run(database, 1)
    labeled = new_run(database, 1, identity="b", recipe='{"a":1}', needs="labels")

    with database.read() as connection:
        found = [runs.find(connection, driver.run_id) for driver in (plain, labeled)]

    assert [(run.recipe, run.needs) for run in found if run] == [(None, None), ('{"a":1}', "labels")]


def test_jobs_of_runs_that_are_left_alone_are_neither_claimed_nor_due(database: Database) -> None:
    """A worker must not fetch an answer that it cannot judge."""
    drivers = [new_run(database, 1, identity=word) for word in "ab"]
    for driver in drivers:
        lease = leased(driver).lease
        driver.send(lease)
        driver.apply(job_moves.accepted, accepted(lease, due_at_ms=NOW_MS - driver.run_id))
    left_alone = (drivers[1].run_id,)

    with database.read() as connection:
        assert leases.next_due_ms(connection) == NOW_MS - drivers[1].run_id
        assert leases.next_due_ms(connection, left_alone) == NOW_MS - drivers[0].run_id
    claimed = drivers[0].in_transaction(
        lambda c, d: leases.claim_waiting(
            c, worker=7, now_ms=NOW_MS, until_ms=NOW_MS + 1, rows_max=9, deltas=d, without_runs=left_alone
        )
    )
    assert [job.lease.run_id for job in claimed] == [drivers[0].run_id]
