"""The moves that a user asks for: cancel, abandon, retry; in chunks, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from by_hand import NOW_MS, Hand, new_run, received, requeue, settled

from runner.db import job_moves, runs, user_moves
from runner.db.counters import Deltas
from runner.db.user_moves import JobSelection
from runner.engine import run_completion
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
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


def one_of_each(database: Database) -> tuple[Hand, dict[JobState, int]]:
    """Load a run with a job in each state but cancelled; the pending one is leased."""
    hand = new_run(database, len(ALL))
    return hand, {state: hand.bring(state).job_id for state in ALL}


def cancel(hand: Hand, rows_max: int = 100) -> int:
    moved: int = hand.within(lambda c, d: user_moves.cancel(c, hand.run_id, NOW_MS, d, rows_max))
    return moved


def abandon(hand: Hand) -> int:
    moved: int = hand.within(lambda c, d: user_moves.abandon(c, hand.run_id, NOW_MS, d, lambda _: TICKS))
    return moved


def retry(hand: Hand, chosen: JobSelection, rows_max: int = 100) -> int:
    moved: int = hand.within(lambda c, d: user_moves.retry(c, hand.run_id, chosen, NOW_MS, d, rows_max))
    return moved


def test_cancel_ends_what_was_not_sent_and_what_is_held(database: Database) -> None:
    """Jobs in flight and ended jobs stay as they are."""
    hand, ids = one_of_each(database)

    assert cancel(hand) == 2
    now = {state: hand.state(job) for state, job in ids.items()}
    assert now == {
        state: JobState.CANCELLED if state in (JobState.PENDING, JobState.HELD) else state for state in ALL
    }
    assert hand.recount().items() <= hand.counts().items()


def test_a_cancelled_job_is_not_sent_by_the_holder_of_its_lease(database: Database) -> None:
    """The lease is from before the cancel, the send comes after."""
    hand = new_run(database, 1)
    (lease,) = hand.lease()
    cancel(hand)

    assert hand.send(lease) == set()
    assert hand.history(lease.job_id) == []


def test_abandon_leaves_the_answers_and_counts_what_they_may_have_cost(database: Database) -> None:
    """It moves the jobs whose results are waiting, or being fetched."""
    hand, ids = one_of_each(database)

    assert abandon(hand) == 2
    for state in (JobState.WAITING, JobState.COLLECTING):
        assert hand.state(ids[state]) is JobState.CANCELLED
        assert hand.history(ids[state])[-1].outcome == "abandoned"
    assert hand.count("ticks", "possible_extra") == 2 * TICKS
    assert hand.count("attempts", "abandoned") == 2
    assert hand.recount().items() <= hand.counts().items()


def test_an_abandoned_answer_that_still_comes_is_kept(database: Database) -> None:
    """It was paid for: the job succeeds."""
    hand = new_run(database, 1)
    lease = hand.bring(JobState.COLLECTING)
    abandon(hand)

    assert hand.do(job_moves.stored, received(lease.job_id, lease.attempt)) == {lease.job_id}
    hand.do(job_moves.settled, settled(lease.job_id, lease.attempt, Event.SUCCEEDED, JobState.SUCCEEDED))
    assert hand.state(lease.job_id) is JobState.SUCCEEDED
    assert hand.recount().items() <= hand.counts().items()


def test_a_cancelled_run_ends_when_nothing_of_it_is_in_flight(database: Database) -> None:
    """Until then it is collected; a job that is requeued is cancelled, too."""
    hand = new_run(database, 2)
    in_flight = hand.bring(JobState.SUBMITTING)
    with database.write() as connection:
        assert runs.cancel(connection, hand.run_id, NOW_MS)

    assert not close(hand)
    assert run_ids_at_work(database) == [hand.run_id]
    hand.do(job_moves.not_sent, requeue(in_flight, JobState.PENDING))
    assert close(hand)
    assert hand.count("state", "cancelled") == 2
    assert run_ids_at_work(database) == []
    with database.read() as connection:
        run = runs.find(connection, hand.run_id)
    assert run is not None
    assert (run.state, run.is_over) == (RunState.CANCELLED, True)


def close(hand: Hand) -> bool:
    with hand.database.write() as connection:
        return run_completion.complete_if_done(connection, hand.run_id, NOW_MS, Deltas(0))


def run_ids_at_work(database: Database) -> list[int]:
    with database.read() as connection:
        return [run.id for run in runs.active_runs(connection)]


def test_a_failed_job_whose_attempt_was_accepted_has_one_extra_more(database: Database) -> None:
    """A job that the API refused has not: nothing was paid for it."""
    hand = new_run(database, 2)
    refused = hand.bring(JobState.FAILED)
    unusable = hand.bring(JobState.STORED)
    hand.do(job_moves.settled, settled(unusable.job_id, unusable.attempt, Event.UNUSABLE, JobState.FAILED))

    assert retry(hand, FAILED) == 2
    assert [hand.row(lease.job_id).extras for lease in (refused, unusable)] == [0, 1]
    assert hand.count("extra", "user_retry") == 1
    assert hand.counts().get(("code", "some-cause")) is None
    for lease in (refused, unusable):
        row = hand.row(lease.job_id)
        assert (row.state, row.error_code, row.finished_at_ms, row.spent) == ("pending", None, None, 0)
        assert len(hand.history(lease.job_id)) == 1
    assert hand.recount().items() <= hand.counts().items()


def test_a_held_job_has_no_further_extra(database: Database) -> None:
    """Its extra was counted when its outcome became unknown."""
    hand = new_run(database, 1)
    lease = hand.bring(JobState.HELD)

    assert retry(hand, HELD) == 1
    assert (hand.state(lease.job_id), hand.row(lease.job_id).extras) == (JobState.PENDING, 1)
    assert hand.count("extra", "user_retry") == 0


def test_a_retry_can_ask_for_lost_ones_or_for_a_code(database: Database) -> None:
    """Of the held jobs those whose result is gone; of the failed jobs those with the code."""
    hand = new_run(database, 3)
    unknown = hand.bring(JobState.HELD)
    lost = hand.bring(JobState.COLLECTING)
    hand.do(job_moves.lost, requeue(lost, JobState.HELD))
    hand.bring(JobState.FAILED)

    gone = JobSelection(states=frozenset({JobState.HELD}), lost=True)
    with database.read() as connection:
        assert [group.n for group in user_moves.matching_groups(connection, hand.run_id, gone)] == [1]
    assert retry(hand, gone) == 1
    assert (hand.state(unknown.job_id), hand.state(lost.job_id)) == (JobState.HELD, JobState.PENDING)
    assert retry(hand, JobSelection(states=FAILED.states, code="another")) == 0
    assert retry(hand, JobSelection(states=FAILED.states, code="some-cause")) == 1


@pytest.mark.parametrize("rows_max", [1, 3, 100])
def test_each_call_moves_no_more_than_it_may(database: Database, rows_max: int) -> None:
    """So that no process waits long for the database."""
    hand = new_run(database, 7)
    moved: list[int] = []
    while not moved or moved[-1]:
        moved.append(cancel(hand, rows_max))

    assert sum(moved) == 7
    assert max(moved) <= rows_max
    assert retry(hand, JobSelection(states=frozenset({JobState.CANCELLED})), 5) == 5
    assert hand.recount().items() <= hand.counts().items()
