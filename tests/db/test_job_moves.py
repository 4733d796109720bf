"""The moves of jobs: only from their source states, under a valid lease, with their history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from run_driver import CAUSE, NOW_MS, accepted, new_run, poll_again_row, received, requeue_row, settled

from runner.db.counts.counters import Deltas
from runner.db.moves import job_moves, outcomes, result_moves
from runner.db.workers.leases import Lease
from runner.rules.errors import Bug
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.session import Database

S = JobState


@dataclass(frozen=True, slots=True)
class MoveCase:
    """One call of one move."""

    event: Event
    target: JobState
    move: Callable[..., set[int]]
    row: Callable[[Lease], Any]


def _requeue_case(event: Event, move: Callable[..., set[int]], target: JobState) -> MoveCase:
    return MoveCase(event, target, move, lambda lease: requeue_row(lease, target))


def _settled_case(event: Event, target: JobState) -> MoveCase:
    return MoveCase(
        event, target, result_moves.settled, lambda lease: settled(lease.job_id, 1, event, target)
    )


MOVE_CASES = (
    MoveCase(Event.ACCEPTED, S.WAITING, job_moves.accepted, accepted),
    _requeue_case(Event.NOT_SENT, job_moves.not_sent, S.PENDING),
    _requeue_case(Event.REFUSED_FOR_NOW, job_moves.refused_for_now, S.PENDING),
    _requeue_case(Event.REFUSED, job_moves.refused, S.FAILED),
    _requeue_case(Event.REFUSED, job_moves.refused, S.HELD),
    _requeue_case(Event.WITHHELD, job_moves.withheld, S.HELD),
    _requeue_case(Event.AMBIGUOUS, job_moves.ambiguous, S.PENDING),
    _requeue_case(Event.AMBIGUOUS, job_moves.ambiguous, S.HELD),
    MoveCase(Event.NOT_READY, S.WAITING, job_moves.not_ready, poll_again_row),
    MoveCase(Event.LATER, S.WAITING, job_moves.later, poll_again_row),
    MoveCase(Event.UNREADABLE, S.WAITING, job_moves.unreadable, poll_again_row),
    MoveCase(Event.STORED, S.STORED, result_moves.stored, lambda lease: received(lease.job_id, 9)),
    _settled_case(Event.SUCCEEDED, S.SUCCEEDED),
    _settled_case(Event.UNUSABLE, S.PENDING),
    _settled_case(Event.UNUSABLE, S.FAILED),
    _settled_case(Event.UNUSABLE, S.HELD),
    *(_requeue_case(Event.UNUSABLE, job_moves.unusable, target) for target in (S.PENDING, S.FAILED, S.HELD)),
    _settled_case(Event.INVALID, S.PENDING),
    _settled_case(Event.INVALID, S.FAILED),
    _requeue_case(Event.LOST, job_moves.lost, S.PENDING),
    _requeue_case(Event.LOST, job_moves.lost, S.HELD),
    _requeue_case(Event.GENERATION_FAILED, job_moves.generation_failed, S.PENDING),
    _requeue_case(Event.GENERATION_FAILED, job_moves.generation_failed, S.FAILED),
)


@pytest.mark.parametrize("case", MOVE_CASES, ids=lambda case: f"{case.event}-to-{case.target}")
def test_a_move_starts_only_from_the_sources_of_the_table(database: Database, case: MoveCase) -> None:
    """A job in another state stays; one in a source state moves, loses its lease, and is counted."""
    driver = new_run(database, len(JobState))
    leases = {state: driver.bring(state) for state in JobState}
    sources = TRANSITIONS[case.event].sources
    if case.event in (Event.GENERATION_FAILED, Event.UNUSABLE):  # either of a fetch or of a stored result
        leases.pop(S.COLLECTING if case.move is result_moves.settled else S.STORED)

    for state, lease in leases.items():
        moved = driver.apply(case.move, case.row(lease))

        assert moved == ({lease.job_id} if state in sources else set()), state
        row = driver.row(lease.job_id)
        assert row.state == (case.target if state in sources else state)
        if state in sources:
            assert row.lease_owner is None
            assert row.lease_until_ms is None
            assert (row.finished_at_ms is not None) == (case.target in FINAL)
    states = {key: n for key, n in driver.counts().items() if key[0] == "state"}
    assert states == {key: n for key, n in driver.recount().items() if key[0] == "state"}


@pytest.mark.parametrize(
    ("case", "source"),
    [
        (case, source)
        for case in MOVE_CASES
        if TRANSITIONS[case.event].fenced
        for source in sorted(TRANSITIONS[case.event].sources)
    ],
    ids=lambda of: str(of) if isinstance(of, JobState) else f"{of.event}-to-{of.target}-from",
)
def test_a_fenced_move_needs_the_lease_that_holds(
    database: Database, case: MoveCase, source: JobState
) -> None:
    """A process whose lease has expired moves nothing, neither with an old generation nor with a guess."""
    driver = new_run(database, 1)
    lease = driver.bring(source)
    before, counts = driver.row(lease.job_id), driver.counts()
    driver.change(lease.job_id, "lease_gen = lease_gen + 1")

    for gen in (lease.gen, lease.gen - 1, lease.gen + 2):
        stale = Lease(job_id=lease.job_id, gen=gen, attempt=lease.attempt)
        assert driver.apply(case.move, case.row(stale)) == set()

    after = driver.row(lease.job_id)
    assert (after.state, after.spent, after.extras, after.due_at_ms) == (
        before.state,
        before.spent,
        before.extras,
        before.due_at_ms,
    )
    assert {k: n for k, n in driver.counts().items() if k[0] != "attempts"} == {
        k: n for k, n in counts.items() if k[0] != "attempts"
    }


def test_a_job_is_held_for_its_model_without_an_attempt_and_without_an_extra(database: Database) -> None:
    """Sent and refused, or not sent at all; a refusal of a moment spends one attempt."""
    driver = replace(new_run(database, 4), reserve_ticks=50)
    refused, withheld, recorded, again = driver.lease(4)
    driver.send(refused, recorded, again)

    driver.apply(job_moves.refused, requeue_row(refused, S.HELD))
    driver.apply(job_moves.withheld, requeue_row(withheld, S.HELD), requeue_row(recorded, S.HELD))
    driver.apply(job_moves.refused_for_now, replace(requeue_row(again, S.PENDING), spent=1))

    rows = [driver.row(lease.job_id) for lease in (refused, withheld, recorded, again)]
    assert [(row.state, row.attempt, row.spent, row.extras) for row in rows] == [
        ("held", 1, 0, 0),
        ("held", 0, 0, 0),
        ("held", 1, 0, 0),
        ("pending", 1, 1, 0),
    ]
    assert driver.history(withheld.job_id) == []
    assert [attempt.outcome for attempt in driver.history(refused.job_id)] == ["refused"]
    assert [attempt.outcome for attempt in driver.history(recorded.job_id)] == ["withheld"]
    assert driver.count("ticks", "reserved") == 0


def test_only_leased_jobs_are_sent_and_only_once(database: Database) -> None:
    """`send` moves pending jobs under their lease; a second call, or a stale lease, moves none."""
    driver = new_run(database, 3)
    first, second, third = driver.lease(3)
    stale = Lease(job_id=third.job_id, gen=third.gen - 1, attempt=1)

    assert driver.send(first, second, stale) == {first.job_id, second.job_id}
    assert driver.send(first, second) == set()

    assert [driver.state(lease.job_id) for lease in (first, second, third)] == [S.SUBMITTING] * 2 + [
        S.PENDING
    ]
    assert [len(driver.history(lease.job_id)) for lease in (first, second, third)] == [1, 1, 0]
    assert driver.row(first.job_id).lease_until_ms == NOW_MS + 120_000


def test_a_move_to_a_state_the_table_does_not_name_is_a_bug(database: Database) -> None:
    """A caller that differs from the table gets an error at once, and nothing is written."""
    driver = new_run(database, 1)
    lease = driver.bring(S.SUBMITTING)

    with pytest.raises(Bug):
        driver.apply(job_moves.refused, requeue_row(lease, S.PENDING))

    assert driver.state(lease.job_id) is S.SUBMITTING


def test_many_rows_move_in_one_call(database: Database) -> None:
    """More rows than fit into one statement, some of them stale: each one is checked by itself."""
    driver = new_run(database, 1_001)
    leases = driver.lease(1_001)
    assert len(driver.send(*leases)) == 1_001
    stale = {lease.job_id for lease in leases[::7]}
    rows = [
        accepted(Lease(job_id=x.job_id, gen=x.gen - (x.job_id in stale), attempt=x.attempt)) for x in leases
    ]

    moved = driver.apply(job_moves.accepted, *rows)

    assert moved == {lease.job_id for lease in leases} - stale
    assert driver.count("state", "waiting") == len(moved)
    assert driver.count("state", "submitting") == len(stale)


def test_the_history_has_each_attempt(database: Database) -> None:
    """Refused for now, ambiguous, unusable and at last succeeded: four attempts, four outcomes."""
    driver = new_run(database, 1)
    for move, ticks in ((job_moves.refused_for_now, 0), (job_moves.ambiguous, 77)):
        (lease,) = driver.lease()
        driver.send(lease)
        driver.apply(move, requeue_row(lease, S.PENDING, possible_ticks=ticks))
    for event, target in ((Event.UNUSABLE, S.PENDING), (Event.SUCCEEDED, S.SUCCEEDED)):
        (lease,) = driver.lease()
        driver.send(lease)
        driver.apply(job_moves.accepted, accepted(lease))
        (claimed,) = driver.claim()
        driver.apply(result_moves.stored, received(lease.job_id, claimed.lease.attempt))
        driver.apply(result_moves.settled, settled(lease.job_id, claimed.lease.attempt, event, target))

    history = driver.history(lease.job_id)

    assert [row.attempt for row in history] == [1, 2, 3, 4]
    assert [row.outcome for row in history] == ["refused_for_now", "ambiguous", "unusable", "succeeded"]
    assert [row.request_id is None for row in history] == [True, True, False, False]
    assert [row.http_status for row in history] == [500, 500, 200, 200]
    assert [row.error_code for row in history] == [CAUSE.code, CAUSE.code, CAUSE.code, None]
    assert all(row.marked_at_ms == NOW_MS and row.collected_at_ms for row in history)
    assert [row.worker for row in history] == [driver.worker] * 4
    row = driver.row(lease.job_id)
    assert (row.attempt, row.answered_by, row.spent, row.extras) == (4, 4, 2, 2)
    assert driver.count("ticks", "possible_extra") == 77
    assert driver.count("extra", "ambiguous") == 1
    assert driver.count("extra", "unusable") == 1


def test_an_answer_is_kept_once_a_request_id(database: Database) -> None:
    """The first bytes stay; a second delivery changes nothing, nor does one for another job."""
    driver = new_run(database, 2)
    first, second = driver.bring(S.WAITING), driver.bring(S.WAITING)

    assert driver.apply(result_moves.stored, received(first.job_id, body=b"first", request_id="x")) == {
        first.job_id
    }
    assert driver.apply(result_moves.stored, received(first.job_id, body=b"again", request_id="x")) == set()
    assert driver.apply(result_moves.stored, received(second.job_id, body=b"twin", request_id="x")) == set()

    assert [bytes(r.body) for r in driver.rows("SELECT body FROM results")] == [b"first"]
    assert driver.state(second.job_id) is S.WAITING, "a job without bytes is not stored"


def test_an_answer_judged_before_does_not_come_back(database: Database) -> None:
    """An old spool that is read again neither takes a job from its next attempt nor counts twice."""
    driver = new_run(database, 1)
    lease = driver.bring(S.STORED)
    driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    again = driver.bring(S.WAITING)
    counts = driver.counts()

    assert driver.apply(result_moves.stored, received(lease.job_id, 1)) == set()

    assert again.attempt == 2
    assert driver.state(lease.job_id) is S.WAITING
    assert driver.counts() == counts


def test_a_late_settlement_of_an_earlier_answer_moves_nothing(database: Database) -> None:
    """A delayed process must not end a job by a result that was settled and replaced."""
    driver = new_run(database, 1)
    lease = driver.bring(S.STORED)
    driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    driver.bring(S.STORED)

    assert driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.FAILED)) == set()
    assert driver.apply(result_moves.settled, settled(lease.job_id, 2, Event.SUCCEEDED, S.SUCCEEDED)) == {
        lease.job_id
    }


def test_a_late_request_id_stays_in_the_history(database: Database) -> None:
    """The job has moved on, but the attempt was accepted: its id is stored, and counted once."""
    driver = new_run(database, 1)
    lease = driver.bring(S.SUBMITTING)
    driver.apply(job_moves.ambiguous, requeue_row(lease, S.PENDING))

    assert driver.apply(job_moves.accepted, accepted(lease, "late")) == set()
    assert driver.apply(job_moves.accepted, accepted(lease, "later")) == set()

    (attempt,) = driver.history(lease.job_id)
    assert (attempt.request_id, attempt.outcome) == ("late", "ambiguous")
    assert driver.count("attempts", "accepted") == 1
    assert driver.state(lease.job_id) is S.PENDING


def test_a_message_with_nul_is_written(database: Database) -> None:
    """PostgreSQL takes no NUL in text; a message of the API may have one."""
    driver = new_run(database, 1)
    lease = driver.bring(S.SUBMITTING)
    cause = outcomes.Cause(code="some", message="a\0b", http_status=500)
    row = outcomes.Requeue(lease=lease, target=S.PENDING, due_at_ms=0, at_ms=0, cause=cause)

    assert driver.apply(job_moves.ambiguous, row) == {lease.job_id}
    assert driver.history(lease.job_id)[0].error_message == "a\ufffdb"


def test_a_failed_generation_is_an_extra_only_where_it_goes_again(database: Database) -> None:
    """The last attempt of a job ends it, so it is no extra."""
    driver = new_run(database, 2)
    for target in (S.PENDING, S.FAILED):
        lease = driver.bring(S.COLLECTING)
        driver.apply(job_moves.generation_failed, requeue_row(lease, target, possible_ticks=5))
        driver.change(lease.job_id, f"due_at_ms = {NOW_MS * 2}")

    assert driver.count("extra", "generation_failed") == 1
    assert driver.count("ticks", "possible_extra") == 10, "both may have been billed"
    assert driver.count("code", CAUSE.code) == 1


@pytest.mark.parametrize("source", sorted(TRANSITIONS[Event.STORED].sources))
def test_an_answer_stored_and_settled_in_one_move_ends_its_job(database: Database, source: JobState) -> None:
    """The effect is that of `stored` and then `settled`; a repetition moves nothing."""
    at_once, in_two = new_run(database, 1), new_run(database, 1)
    for driver in (at_once, in_two):
        lease = driver.bring(source)
        answer = received(lease.job_id, lease.attempt)
        settlement = settled(lease.job_id, lease.attempt, Event.SUCCEEDED, S.SUCCEEDED)
        if driver is in_two:
            driver.apply(result_moves.stored, answer)
            driver.apply(result_moves.settled, settlement)
            continue
        assert driver.apply(result_moves.stored_and_settled, (answer, settlement)) == {
            (lease.job_id, lease.attempt)
        }
        assert driver.apply(result_moves.stored_and_settled, (answer, settlement)) == set()
        assert driver.state(lease.job_id) is S.SUCCEEDED

    assert at_once.counts() == in_two.counts()


def test_of_two_answers_to_one_job_the_first_ends_it(database: Database) -> None:
    """Both are stored; the second is not counted as an end."""
    driver = new_run(database, 1)
    lease = driver.bring(S.SUBMITTING)
    driver.apply(job_moves.ambiguous, requeue_row(lease, S.PENDING))
    again = driver.bring(S.COLLECTING)
    pairs = [
        (received(again.job_id, attempt), settled(again.job_id, attempt, Event.SUCCEEDED, S.SUCCEEDED))
        for attempt in (1, 2)
    ]
    with database.write() as connection:
        deltas = Deltas(0)
        moved = result_moves.stored_and_settled(connection, pairs, deltas)
        deltas.write(connection)

    assert moved == {(again.job_id, 1)}
    assert driver.count("finish", "stop") == 1
    assert len(driver.history(again.job_id)) == 2


def test_every_event_of_the_table_is_tested() -> None:
    """A new event needs a case here, or tests of its own like `send`, `claim` and the user's moves."""
    tested_elsewhere: set[Event] = {Event.SEND, Event.CLAIM, Event.CANCEL, Event.ABANDON, Event.RETRY}
    tested_elsewhere |= {Event.REVALIDATED, Event.INVALIDATED}  # of stored answers, by the user

    assert {case.event for case in MOVE_CASES} | tested_elsewhere == set(Event)


def test_unreadable_bytes_again_and_again_end_the_attempt_of_their_lease_only(database: Database) -> None:
    """The move from a fetch is not fenced by the table, since that from a stored result is not."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    late = Lease(job_id=lease.job_id, gen=lease.gen - 1, attempt=lease.attempt)

    assert driver.apply(job_moves.unusable, requeue_row(late, S.PENDING)) == set()
    assert driver.apply(job_moves.unusable, requeue_row(lease, S.PENDING, 77)) == {lease.job_id}

    row = driver.row(lease.job_id)
    assert (row.spent, row.extras) == (1, 1)
    assert driver.count("extra", "unusable") == 1
    assert driver.count("ticks", "possible_extra") == 77


def test_the_mark_of_a_fetch_that_died_stays_until_the_api_says_not_ready(database: Database) -> None:
    """404, 5xx and pages of a proxy say nothing about where the answer went; a new attempt begins without."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)

    def mark_after(move: Callable[..., set[int]], lease: Lease, at_ms: int | None = None) -> int | None:
        row = outcomes.PollAgain(lease=lease, due_at_ms=NOW_MS, misses=0, interrupted_at_ms=at_ms)
        driver.apply(move, row)
        mark: int | None = driver.row(lease.job_id).interrupted_at_ms
        return mark

    assert mark_after(job_moves.later, lease, NOW_MS) == NOW_MS
    for move in (job_moves.later, job_moves.unreadable):
        (claimed,) = driver.claim()
        assert claimed.is_interrupted
        assert mark_after(move, claimed.lease) == NOW_MS
    (claimed,) = driver.claim()
    assert mark_after(job_moves.not_ready, claimed.lease) is None

    (claimed,) = driver.claim()
    mark_after(job_moves.later, claimed.lease, NOW_MS)
    (claimed,) = driver.claim()
    driver.apply(job_moves.lost, requeue_row(claimed.lease, S.PENDING))
    again = driver.bring(S.WAITING)
    assert driver.row(again.job_id).interrupted_at_ms is None
