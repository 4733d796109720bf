"""What a fetch brought that is no answer: counted and kept apart, asked for again, and when that ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from run_driver import LEASE_MS, NOW_MS, RunDriver, new_run, requeue_row

from runner.db.answers import unreadables
from runner.db.answers.unreadables import UnreadableReply
from runner.db.counts.counters import Deltas
from runner.engine.collecting import unreadable_replies
from runner.engine.collecting.unreadable_replies import UnreadableFetch
from runner.rules.replies.unreadable import BODY_BYTES_KEPT
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
PAGE = b"<html>Log in</html>"
MINUTE_MS = 60_000


def replied(lease: Lease, at_ms: int, body: bytes = PAGE, target: JobState = S.PENDING) -> UnreadableFetch:
    """Return an unreadable reply at `at_ms` after NOW_MS."""
    reply = UnreadableReply(
        job_id=lease.job_id, attempt=lease.attempt, received_at_ms=NOW_MS + at_ms, body=body
    )
    return UnreadableFetch(
        reply=reply, age_s=0.0, rng_unit=0.5, misses=0, given_up=requeue_row(lease, target, 77)
    )


def reply_and_claim(driver: RunDriver, lease: Lease, at_ms: int, body: bytes = PAGE) -> Lease:
    """Let a reply come, and claim the job again when it is due."""
    assert driver.apply(unreadable_replies.record, replied(lease, at_ms, body)) == {lease.job_id}
    (claimed,) = driver.claim(now_ms=driver.row(lease.job_id).due_at_ms)
    return claimed.lease


def answers_read(driver: RunDriver, n: int) -> None:
    """Let the run have read `n` more answers."""
    driver.in_transaction(lambda _, deltas: deltas.add(driver.run_id, "attempts", "collected", n))


def test_a_reply_is_counted_kept_apart_and_asked_for_again_later(database: Database) -> None:
    """The first and the last body are kept, cut at 64 KiB; the job waits longer each time, with its id."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    before = driver.row(lease.job_id)
    large = b"x" * (BODY_BYTES_KEPT + 5)

    lease = reply_and_claim(driver, lease, 0)
    assert driver.row(lease.job_id).due_at_ms == NOW_MS + 1_000
    lease = reply_and_claim(driver, lease, 1_000, large)

    after = driver.row(lease.job_id)
    assert after.due_at_ms == NOW_MS + 1_000 + 2_000
    assert (after.request_id, after.attempt, after.extras, after.spent) == (before.request_id, 1, 0, 0)
    with database.read() as connection:
        (kept,) = unreadables.of_job(connection, lease.job_id)
    assert (kept.replies, kept.last_bytes, bytes(kept.first_body)) == (2, len(large), PAGE)
    assert bytes(kept.last_body) == large[:BODY_BYTES_KEPT]
    assert driver.rows("SELECT * FROM results") == []
    assert {key: n for key, n in driver.counts().items() if key[0] == "extra"} == {}


@pytest.mark.parametrize(("target", "extras"), [(S.PENDING, 1), (S.HELD, 1), (S.FAILED, 0)])
def test_the_same_bytes_for_too_long_are_the_answer(
    database: Database, target: JobState, extras: int
) -> None:
    """Four times over ten minutes while the run read 20 other answers: the attempt ends, and counts."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    for minute in (0, 3, 6):
        lease = reply_and_claim(driver, lease, minute * MINUTE_MS)
    answers_read(driver, 20)

    assert driver.apply(unreadable_replies.record, replied(lease, 10 * MINUTE_MS, target=target)) == {
        lease.job_id
    }

    assert driver.state(lease.job_id) is target
    assert driver.history(lease.job_id)[0].outcome == "unusable"
    assert driver.count("extra", "unusable") == driver.row(lease.job_id).extras == extras
    assert driver.count("ticks", "possible_extra") == 77


@pytest.mark.parametrize("missing", ["a reply", "time", "answers", "equal bytes"])
def test_without_one_of_the_three_it_is_asked_for_again(database: Database, missing: str) -> None:
    """Time alone may be an outage, and answers before the first such reply say nothing."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    answers_read(driver, 500)
    for minute in (0, 3) if missing == "a reply" else (0, 3, 6):
        is_other = missing == "equal bytes" and minute == 3
        lease = reply_and_claim(driver, lease, minute * MINUTE_MS, b"another" if is_other else PAGE)
    answers_read(driver, 19 if missing == "answers" else 20)
    last_ms = 10 * MINUTE_MS - (missing == "time")

    driver.apply(unreadable_replies.record, replied(lease, last_ms))

    assert driver.state(lease.job_id) is S.WAITING


def test_the_last_reply_before_a_result_expired_is_kept_and_its_job_held(database: Database) -> None:
    """A person decides whether to pay again, and can see what came last."""
    driver = new_run(database, 1)
    lease = reply_and_claim(driver, driver.bring(S.COLLECTING), 0)
    row = replace(replied(lease, 1_000, b"the last"), held=requeue_row(lease, S.HELD, 77))

    assert driver.apply(unreadable_replies.record, row) == {lease.job_id}

    assert driver.state(lease.job_id) is S.HELD
    assert driver.history(lease.job_id)[0].outcome == "lost"
    with database.read() as connection:
        (kept,) = unreadables.of_job(connection, lease.job_id)
    assert (kept.replies, bytes(kept.last_body)) == (2, b"the last")


def test_a_clock_that_was_set_back_makes_no_space_shorter(database: Database) -> None:
    """The reply is as old as none before: it is not counted, and the wait stays as long as the last."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    for minute in (10, 20, 30):
        lease = reply_and_claim(driver, lease, minute * MINUTE_MS)

    reply_and_claim(driver, lease, 5 * MINUTE_MS)

    assert driver.row(lease.job_id).due_at_ms == NOW_MS + 5 * MINUTE_MS + 4_000


def test_many_replies_of_one_transaction_move_their_jobs(database: Database) -> None:
    """The first moment of an outage; one of them comes under a lease that was lost."""
    driver = new_run(database, 300)
    leases = [driver.bring(S.COLLECTING) for _ in range(150)]
    driver.change(leases[7].job_id, f"lease_gen = lease_gen + 1, lease_until_ms = {NOW_MS + LEASE_MS}")

    moved = driver.apply(unreadable_replies.record, *(replied(lease, n) for n, lease in enumerate(leases)))

    assert moved == {lease.job_id for lease in leases} - {leases[7].job_id}
    assert driver.count("state", "waiting") == 149
    assert len(driver.rows("SELECT * FROM unreadables")) == 150


def test_a_reply_for_a_run_that_was_removed_leaves_nothing(database: Database) -> None:
    """Its attempt is gone."""
    reply = UnreadableReply(job_id=77 << 32, attempt=1, received_at_ms=NOW_MS, body=PAGE)
    with database.write() as connection:
        assert unreadables.record(connection, [reply]) == {}
        Deltas(0).write(connection)
