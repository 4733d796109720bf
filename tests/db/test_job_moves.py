"""The moves of jobs: exactly from their sources, under the right lease, with their history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from by_hand import CAUSE, NOW_MS, accepted, back, new_run, not_yet, received, settled

from runner.db import jobs, outcomes
from runner.db.counters import Deltas
from runner.db.leases import Lease
from runner.rules.errors import Bug
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.session import Database

S = JobState


@dataclass(frozen=True, slots=True)
class Tried:
    """One way to call one move."""

    event: Event
    target: JobState
    move: Callable[..., set[int]]
    row: Callable[[Lease], Any]


def _back(event: Event, move: Callable[..., set[int]], target: JobState) -> Tried:
    return Tried(event, target, move, lambda lease: back(lease, target))


def _settled(event: Event, target: JobState) -> Tried:
    return Tried(event, target, jobs.settled, lambda lease: settled(lease.job_id, 1, event, target))


TRIED = (
    Tried(Event.ACCEPTED, S.WAITING, jobs.accepted, accepted),
    _back(Event.NOT_SENT, jobs.not_sent, S.PENDING),
    _back(Event.REFUSED_FOR_NOW, jobs.refused_for_now, S.PENDING),
    _back(Event.REFUSED, jobs.refused, S.FAILED),
    _back(Event.AMBIGUOUS, jobs.ambiguous, S.PENDING),
    _back(Event.AMBIGUOUS, jobs.ambiguous, S.HELD),
    Tried(Event.NOT_READY, S.WAITING, jobs.not_ready, not_yet),
    Tried(Event.LATER, S.WAITING, jobs.later, not_yet),
    Tried(Event.STORED, S.STORED, jobs.stored, lambda lease: received(lease.job_id, 9)),
    _settled(Event.SUCCEEDED, S.SUCCEEDED),
    _settled(Event.UNUSABLE, S.PENDING),
    _settled(Event.UNUSABLE, S.FAILED),
    _settled(Event.UNUSABLE, S.HELD),
    _back(Event.LOST, jobs.lost, S.PENDING),
    _back(Event.LOST, jobs.lost, S.HELD),
    _back(Event.GENERATION_FAILED, jobs.generation_failed, S.PENDING),
    _back(Event.GENERATION_FAILED, jobs.generation_failed, S.FAILED),
)


@pytest.mark.parametrize("tried", TRIED, ids=lambda tried: f"{tried.event}-to-{tried.target}")
def test_a_move_starts_only_where_the_table_says(database: Database, tried: Tried) -> None:
    """A job elsewhere stays; one at a source arrives, its lease gone, its counts moved with it."""
    hand = new_run(database, len(JobState))
    leases = {state: hand.bring(state) for state in JobState}
    sources = TRANSITIONS[tried.event].sources
    if tried.event is Event.GENERATION_FAILED:  # of a fetch; that of a stored answer is a verdict
        leases.pop(S.STORED)

    for state, lease in leases.items():
        moved = hand.do(tried.move, tried.row(lease))

        assert moved == ({lease.job_id} if state in sources else set()), state
        row = hand.row(lease.job_id)
        assert row.state == (tried.target if state in sources else state)
        if state in sources:
            assert row.lease_owner is None
            assert row.lease_until_ms is None
            assert (row.finished_at_ms is not None) == (tried.target in FINAL)
    states = {key: n for key, n in hand.counts().items() if key[0] == "state"}
    assert states == {key: n for key, n in hand.recount().items() if key[0] == "state"}


@pytest.mark.parametrize(
    "tried",
    [tried for tried in TRIED if TRANSITIONS[tried.event].fenced],
    ids=lambda tried: f"{tried.event}-to-{tried.target}",
)
def test_a_fenced_move_needs_the_lease_that_holds(database: Database, tried: Tried) -> None:
    """A process that slept past its lease moves nothing, neither with an old lease nor with a guess."""
    hand = new_run(database, 1)
    (source,) = TRANSITIONS[tried.event].sources
    lease = hand.bring(source)
    before, counts = hand.row(lease.job_id), hand.counts()
    hand.change(lease.job_id, "lease_gen = lease_gen + 1")

    for gen in (lease.gen, lease.gen - 1, lease.gen + 2):
        stale = Lease(job_id=lease.job_id, gen=gen, attempt=lease.attempt)
        assert hand.do(tried.move, tried.row(stale)) == set()

    after = hand.row(lease.job_id)
    assert (after.state, after.spent, after.extras, after.due_at_ms) == (
        before.state,
        before.spent,
        before.extras,
        before.due_at_ms,
    )
    assert {k: n for k, n in hand.counts().items() if k[0] != "attempts"} == {
        k: n for k, n in counts.items() if k[0] != "attempts"
    }


def test_only_leased_jobs_are_sent_and_only_once(database: Database) -> None:
    """`send` takes pending jobs under their lease; a second call, or a stale lease, moves none."""
    hand = new_run(database, 3)
    first, second, third = hand.lease(3)
    stale = Lease(job_id=third.job_id, gen=third.gen - 1, attempt=1)

    assert hand.send(first, second, stale) == {first.job_id, second.job_id}
    assert hand.send(first, second) == set()

    assert [hand.state(lease.job_id) for lease in (first, second, third)] == [S.SUBMITTING] * 2 + [S.PENDING]
    assert [len(hand.history(lease.job_id)) for lease in (first, second, third)] == [1, 1, 0]
    assert hand.row(first.job_id).lease_until_ms == NOW_MS + 120_000


def test_a_move_to_a_state_the_table_does_not_name_is_a_bug(database: Database) -> None:
    """The table is the source; a caller that differs is told at once and nothing is written."""
    hand = new_run(database, 1)
    lease = hand.bring(S.SUBMITTING)

    with pytest.raises(Bug):
        hand.do(jobs.refused, back(lease, S.PENDING))

    assert hand.state(lease.job_id) is S.SUBMITTING


def test_many_rows_move_in_one_call(database: Database) -> None:
    """More rows than one statement holds, some of them stale: each is judged by itself."""
    hand = new_run(database, 1_001)
    held = hand.lease(1_001)
    assert len(hand.send(*held)) == 1_001
    stale = {lease.job_id for lease in held[::7]}
    rows = [
        accepted(Lease(job_id=x.job_id, gen=x.gen - (x.job_id in stale), attempt=x.attempt)) for x in held
    ]

    moved = hand.do(jobs.accepted, *rows)

    assert moved == {lease.job_id for lease in held} - stale
    assert hand.count("state", "waiting") == len(moved)
    assert hand.count("state", "submitting") == len(stale)


def test_the_history_tells_each_attempt(database: Database) -> None:
    """Refused for now, in doubt, then accepted, unusable and at last good: five attempts, five outcomes."""
    hand = new_run(database, 1)
    for move, ticks in ((jobs.refused_for_now, 0), (jobs.ambiguous, 77)):
        (lease,) = hand.lease()
        hand.send(lease)
        hand.do(move, back(lease, S.PENDING, possible_ticks=ticks))
    for event, target in ((Event.UNUSABLE, S.PENDING), (Event.SUCCEEDED, S.SUCCEEDED)):
        (lease,) = hand.lease()
        hand.send(lease)
        hand.do(jobs.accepted, accepted(lease))
        (claimed,) = hand.claim()
        hand.do(jobs.stored, received(lease.job_id, claimed.lease.attempt))
        hand.do(jobs.settled, settled(lease.job_id, claimed.lease.attempt, event, target))

    history = hand.history(lease.job_id)

    assert [tried.attempt for tried in history] == [1, 2, 3, 4]
    assert [tried.outcome for tried in history] == ["refused_for_now", "ambiguous", "unusable", "succeeded"]
    assert [tried.request_id is None for tried in history] == [True, True, False, False]
    assert [tried.http_status for tried in history] == [500, 500, 200, 200]
    assert [tried.error_code for tried in history] == [CAUSE.code, CAUSE.code, CAUSE.code, None]
    assert all(tried.marked_at_ms == NOW_MS and tried.collected_at_ms for tried in history)
    assert [tried.worker for tried in history] == [hand.worker] * 4
    row = hand.row(lease.job_id)
    assert (row.attempt, row.answered_by, row.spent, row.extras) == (4, 4, 2, 2)
    assert hand.count("ticks", "possible_extra") == 77
    assert hand.count("extra", "ambiguous") == 1
    assert hand.count("extra", "unusable") == 1


def test_an_answer_is_kept_once_a_request_id(database: Database) -> None:
    """The first bytes stay; a second delivery changes nothing, another job's neither."""
    hand = new_run(database, 2)
    first, second = hand.bring(S.WAITING), hand.bring(S.WAITING)

    assert hand.do(jobs.stored, received(first.job_id, body=b"first", request_id="x")) == {first.job_id}
    assert hand.do(jobs.stored, received(first.job_id, body=b"again", request_id="x")) == set()
    assert hand.do(jobs.stored, received(second.job_id, body=b"twin", request_id="x")) == set()

    assert [bytes(r.body) for r in hand.rows("SELECT body FROM results")] == [b"first"]
    assert hand.state(second.job_id) is S.WAITING, "a job without bytes is not stored"


def test_an_answer_judged_before_does_not_come_back(database: Database) -> None:
    """An old spool that is read again must not pull a job from its next attempt, nor count twice."""
    hand = new_run(database, 1)
    lease = hand.bring(S.STORED)
    hand.do(jobs.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    again = hand.bring(S.WAITING)
    counts = hand.counts()

    assert hand.do(jobs.stored, received(lease.job_id, 1)) == set()

    assert again.attempt == 2
    assert hand.state(lease.job_id) is S.WAITING
    assert hand.counts() == counts


def test_a_late_verdict_on_an_earlier_answer_moves_nothing(database: Database) -> None:
    """A judge that slept must not end a job by an answer that was judged and replaced."""
    hand = new_run(database, 1)
    lease = hand.bring(S.STORED)
    hand.do(jobs.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    hand.bring(S.STORED)

    assert hand.do(jobs.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.FAILED)) == set()
    assert hand.do(jobs.settled, settled(lease.job_id, 2, Event.SUCCEEDED, S.SUCCEEDED)) == {lease.job_id}


def test_an_id_that_comes_late_stays_in_the_history(database: Database) -> None:
    """The job moved on, but the attempt was accepted: its id is kept, and counted once."""
    hand = new_run(database, 1)
    lease = hand.bring(S.SUBMITTING)
    hand.do(jobs.ambiguous, back(lease, S.PENDING))

    assert hand.do(jobs.accepted, accepted(lease, "late")) == set()
    assert hand.do(jobs.accepted, accepted(lease, "later")) == set()

    (tried,) = hand.history(lease.job_id)
    assert (tried.request_id, tried.outcome) == ("late", "ambiguous")
    assert hand.count("attempts", "accepted") == 1
    assert hand.state(lease.job_id) is S.PENDING


def test_words_with_nul_are_written(database: Database) -> None:
    """PostgreSQL takes no NUL in text; what the API says may hold one."""
    hand = new_run(database, 1)
    lease = hand.bring(S.SUBMITTING)
    cause = outcomes.Cause(code="some", message="a\0b", http_status=500)
    row = outcomes.Back(lease=lease, target=S.PENDING, due_at_ms=0, at_ms=0, cause=cause)

    assert hand.do(jobs.ambiguous, row) == {lease.job_id}
    assert hand.history(lease.job_id)[0].error_message == "a\ufffdb"


def test_a_failed_generation_is_an_extra_only_where_it_goes_again(database: Database) -> None:
    """The last attempt of a job gave it its end: it is none beyond that."""
    hand = new_run(database, 2)
    for target in (S.PENDING, S.FAILED):
        lease = hand.bring(S.COLLECTING)
        hand.do(jobs.generation_failed, back(lease, target, possible_ticks=5))
        hand.change(lease.job_id, f"due_at_ms = {NOW_MS * 2}")

    assert hand.count("extra", "generation_failed") == 1
    assert hand.count("ticks", "possible_extra") == 10, "both may have been billed"
    assert hand.count("code", CAUSE.code) == 1


@pytest.mark.parametrize("source", sorted(TRANSITIONS[Event.STORED].sources))
def test_an_answer_that_is_kept_and_judged_at_once_ends_its_job(database: Database, source: JobState) -> None:
    """As `stored` and `settled` one after the other would; and once, however often it comes."""
    at_once, in_two = new_run(database, 1), new_run(database, 1)
    for hand in (at_once, in_two):
        lease = hand.bring(source)
        answer = received(lease.job_id, lease.attempt)
        verdict = settled(lease.job_id, lease.attempt, Event.SUCCEEDED, S.SUCCEEDED)
        if hand is in_two:
            hand.do(jobs.stored, answer)
            hand.do(jobs.settled, verdict)
            continue
        assert hand.do(jobs.answered, (answer, verdict)) == {(lease.job_id, lease.attempt)}
        assert hand.do(jobs.answered, (answer, verdict)) == set()
        assert hand.state(lease.job_id) is S.SUCCEEDED

    assert at_once.counts() == in_two.counts()


def test_of_two_answers_to_one_job_the_first_ends_it(database: Database) -> None:
    """Both are kept; the other one must not be counted as an end."""
    hand = new_run(database, 1)
    lease = hand.bring(S.SUBMITTING)
    hand.do(jobs.ambiguous, back(lease, S.PENDING))
    again = hand.bring(S.COLLECTING)
    pairs = [
        (received(again.job_id, attempt), settled(again.job_id, attempt, Event.SUCCEEDED, S.SUCCEEDED))
        for attempt in (1, 2)
    ]
    with database.write() as connection:
        deltas = Deltas(0)
        moved = jobs.answered(connection, pairs, deltas)
        deltas.write(connection)

    assert moved == {(again.job_id, 1)}
    assert hand.count("finish", "stop") == 1
    assert len(hand.history(again.job_id)) == 2


def test_every_move_of_the_table_is_tried() -> None:
    """`send` and `claim` and what a user asks for have their own tests; a new event must come to TRIED."""
    theirs: set[Event] = {Event.SEND, Event.CLAIM, Event.CANCEL, Event.ABANDON, Event.RETRY}

    assert {tried.event for tried in TRIED} | theirs == set(Event)
