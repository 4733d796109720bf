"""Recovery: what a dead process left is put in order by the furthest record of each attempt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from run_driver import FAR, NOW_MS, RunDriver, accepted, new_run, received, requeue_row, settled

from runner.db.answers import unreadables
from runner.db.answers.unreadables import UnreadableReply
from runner.db.moves import job_moves, result_moves
from runner.db.runs.run_row import RunOptions
from runner.db.workers import workers
from runner.engine.recovery.dead_workers import RecoveryCounts, recover_host
from runner.engine.storing.spool import AcceptedRecord, AnswerRecord, Spool
from runner.rules.identity import attempt_name
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
LATER_MS = NOW_MS + 60_000
ANSWER = b'{"choices": [{"message": {"content": "the bytes"}}]}'
PAGE = b"<html><title>Log in</title></html>"


class Process:
    """A worker process as others see it: a row, a locked spool, jobs in its hands."""

    def __init__(self, driver: RunDriver, folder: Path, host: str = "here") -> None:
        with driver.database.write() as connection:
            worker = workers.register(connection, host=host, node="w", pid=1, now_ms=NOW_MS)
        self.driver = RunDriver(driver.database, driver.run_id, worker)
        self.folder = folder
        self.spool = Spool(folder, worker)

    def taken(self, lease: Lease, request_id: str = "the-id") -> None:
        self.spool.append_accepted(
            AcceptedRecord(
                job_id=lease.job_id,
                attempt=lease.attempt,
                sent_at_ms=NOW_MS,
                accepted_at_ms=NOW_MS + 5,
                request_id=request_id,
            )
        )

    def answer(
        self,
        lease: Lease,
        body: bytes = ANSWER,
        request_id: str = "the-id",
        *,
        is_answer: bool = True,
        at_ms: int = NOW_MS + 9,
    ) -> None:
        self.spool.append_answer(
            AnswerRecord(
                job_id=lease.job_id,
                attempt=lease.attempt,
                received_at_ms=at_ms,
                request_id=request_id,
                body=body,
                is_answer=is_answer,
            )
        )

    def die(self) -> None:
        """End as the kernel ends it: the lock is gone, the files stay."""
        os.close(self.spool._segment.file)
        os.close(self.spool._lock)

    def recovered(self) -> RecoveryCounts:
        return recover_host(self.driver.database, self.folder, "here", LATER_MS)


@pytest.fixture
def process(database: Database, tmp_path: Path) -> Process:
    """Begin a process with a run of three jobs."""
    return Process(new_run(database, 3), tmp_path / "spool")


def test_bytes_in_the_spool_are_stored(process: Process) -> None:
    """The answer had come, the commit had not: it is kept, byte for byte, with its time."""
    lease = process.driver.bring(S.COLLECTING)
    process.spool.append_sent(lease.job_id, 1)
    process.taken(lease)
    process.answer(lease)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, answers=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.answered_by, row.lease_owner) == (S.STORED, 1, None)
    (kept,) = process.driver.rows("SELECT * FROM results")
    assert (bytes(kept.body), kept.request_id, kept.received_at_ms) == (
        ANSWER,
        "the-id",
        NOW_MS + 9,
    )


def test_bytes_win_over_everything_the_database_believes(process: Process) -> None:
    """Even where the job was given up and sent again meanwhile: a paid answer is kept whoever brings it."""
    lease = process.driver.bring(S.COLLECTING)
    process.answer(lease)
    process.driver.apply(job_moves.lost, requeue_row(lease, S.PENDING))
    other = RunDriver(process.driver.database, process.driver.run_id, worker=99)
    again = other.bring(S.WAITING)
    assert again.job_id == lease.job_id
    process.die()

    assert process.recovered().answers == 1

    assert process.driver.row(lease.job_id).answered_by == lease.attempt
    assert process.driver.state(lease.job_id) is S.STORED


def test_bytes_of_a_job_that_has_its_end_are_kept_and_their_cost_is_counted(process: Process) -> None:
    """Another attempt ended it meanwhile: what the first one may have cost is known now, and told once."""
    lease = process.driver.bring(S.COLLECTING)
    process.taken(lease, "its-id")
    process.answer(lease, b'{"choices": [], "usage": {"cost_in_usd_ticks": 71}}', "its-id")
    process.driver.apply(job_moves.lost, requeue_row(lease, S.PENDING, 500))
    other = RunDriver(process.driver.database, process.driver.run_id, worker=99)
    assert other.bring(S.SUCCEEDED).job_id == lease.job_id
    known = process.driver.count("ticks", "reported")
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1)

    first, second = process.driver.rows("SELECT * FROM attempts ORDER BY attempt")
    assert (first.outcome, first.ticks, first.possible_ticks) == ("lost", 71, None)
    assert process.driver.row(lease.job_id).answered_by == second.attempt
    assert process.driver.count("ticks", "reported") == known + 71
    assert process.driver.count("ticks", "possible_extra") == 0
    assert len(process.driver.rows("SELECT * FROM results WHERE request_id = 'its-id'")) == 1


def test_an_id_in_the_spool_is_waited_for(process: Process) -> None:
    """The API took it, the database did not know: nothing is sent again, nothing is in doubt."""
    lease = process.driver.bring(S.SUBMITTING)
    process.spool.append_sent(lease.job_id, 1)
    process.taken(lease)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, accepted=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.request_id, row.due_at_ms) == (S.WAITING, "the-id", LATER_MS)
    assert row.accepted_at_ms == NOW_MS + 5
    assert process.driver.count("attempts", "accepted") == 1
    assert process.driver.count("extra", "ambiguous") == 0


@pytest.mark.parametrize(
    ("policy", "extras", "target"),
    [("resubmit", 0, S.PENDING), ("resubmit", 1, S.PENDING), ("resubmit", 2, S.HELD), ("hold", 0, S.HELD)],
)
def test_a_post_without_reply_is_in_doubt_and_counted(
    database: Database, tmp_path: Path, policy: str, extras: int, target: JobState
) -> None:
    """Sent and no more: an extra with what it may have cost; the run's policy and the cap of two hold."""
    process = Process(new_run(database, 1, RunOptions(on_ambiguous=policy)), tmp_path)
    lease = process.driver.bring(S.SUBMITTING)
    process.driver.change(lease.job_id, f"extras = {extras}")
    process.spool.append_sent(lease.job_id, 1)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, ambiguous=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.extras) == (target, extras + 1)
    assert process.driver.count("extra", "ambiguous") == 1
    assert process.driver.count("ticks", "possible_extra") > 0
    (tried,) = process.driver.history(lease.job_id)
    assert (tried.outcome, tried.error_code) == ("ambiguous", "process-ended")


def test_what_was_marked_and_never_sent_is_pending_and_costs_nothing(process: Process) -> None:
    """No record of a POST: it surely never left."""
    lease = process.driver.bring(S.SUBMITTING)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, not_sent=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.extras, row.spent, row.lease_owner) == (S.PENDING, 0, 0, None)
    assert process.driver.counts() == {("state", "pending"): 3}
    assert process.driver.history(lease.job_id)[0].outcome == "not_sent"


def test_an_earlier_attempt_in_the_spool_says_nothing_of_this_one(process: Process) -> None:
    """Attempt 1 was sent and refused; attempt 2 was only marked: it never left."""
    lease = process.driver.bring(S.SUBMITTING)
    process.spool.append_sent(lease.job_id, 1)
    process.driver.apply(job_moves.refused_for_now, requeue_row(lease, S.PENDING))
    process.driver.bring(S.SUBMITTING)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, not_sent=1)


def test_what_was_being_fetched_is_asked_for_again(process: Process) -> None:
    """No bytes came as far as the spool: the job waits, due now, and nothing is counted."""
    lease = process.driver.bring(S.COLLECTING)
    process.driver.change(lease.job_id, "misses = 1")
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, collecting=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.due_at_ms, row.misses) == (S.WAITING, LATER_MS, 1)
    assert row.interrupted_at_ms == LATER_MS


@pytest.mark.parametrize("is_answer", [False, True], ids=["a record of its own", "of an older version"])
def test_bytes_that_are_no_answer_take_no_answers_place(process: Process, is_answer: bool) -> None:
    """A page was fetched: it is counted and kept apart, the answer is asked for again after a while."""
    lease = process.driver.bring(S.COLLECTING)
    process.answer(lease, PAGE, is_answer=is_answer)
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, unreadable=1)

    row = process.driver.row(lease.job_id)
    assert (row.state, row.due_at_ms, row.extras) == (S.WAITING, LATER_MS + 1_000, 0)
    assert row.interrupted_at_ms is None, "its reply came"
    assert process.driver.rows("SELECT * FROM results") == []
    (kept,) = process.driver.rows("SELECT * FROM unreadables")
    assert (kept.replies, bytes(kept.first_body), kept.last_bytes) == (1, PAGE, len(PAGE))
    process.driver.apply(result_moves.stored, received(lease.job_id, lease.attempt, ANSWER))
    assert process.driver.state(lease.job_id) is S.STORED


def test_an_unreadable_reply_that_was_counted_before_the_crash_is_not_counted_twice(process: Process) -> None:
    """Its transaction was durable, its record is still there, and a second fetch died with the process."""
    lease = process.driver.bring(S.COLLECTING)
    process.answer(lease, PAGE, is_answer=False)
    reply = UnreadableReply(job_id=lease.job_id, attempt=lease.attempt, received_at_ms=NOW_MS + 9, body=PAGE)
    process.driver.in_transaction(lambda connection, _: unreadables.record(connection, [reply]))
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1, collecting=1)

    assert process.driver.row(lease.job_id).interrupted_at_ms == LATER_MS
    assert [row.replies for row in process.driver.rows("SELECT * FROM unreadables")] == [1]


def test_many_replies_to_one_attempt_are_counted_each(process: Process) -> None:
    """A page, then an empty reply, both only in the spool."""
    lease = process.driver.bring(S.COLLECTING)
    process.answer(lease, PAGE, is_answer=False)
    process.answer(lease, b"", is_answer=False, at_ms=NOW_MS + 20)
    process.die()

    assert process.recovered().unreadable == 1

    (kept,) = process.driver.rows("SELECT * FROM unreadables")
    assert (kept.replies, kept.same, bytes(kept.first_body), bytes(kept.last_body)) == (2, 1, PAGE, b"")
    assert (kept.first_at_ms, kept.last_at_ms) == (NOW_MS + 9, NOW_MS + 20)


def test_answers_that_came_at_once_are_counted_and_pause_the_run(process: Process) -> None:
    """The third of them was only in the spool: the gateway at this address drops `deferred`."""
    leases = [process.driver.bring(S.SUBMITTING) for _ in range(3)]
    for lease in leases:
        name = attempt_name(lease.job_id, lease.attempt)
        process.taken(lease, name)
        process.answer(lease, request_id=name)
    process.die()

    assert process.recovered().answers == 3

    assert process.driver.count("attempts", "answered_at_once") == 3
    (run,) = process.driver.rows("SELECT state, pause_reason FROM runs")
    assert (run.state, run.pause_reason) == ("paused", "setting")
    assert {process.driver.state(lease.job_id) for lease in leases} == {S.STORED}


def test_leased_jobs_are_free_at_once(process: Process) -> None:
    """Leases of pending jobs do not outlive their process."""
    (lease,) = process.driver.lease()
    process.die()
    process.recovered()

    assert process.driver.row(lease.job_id).lease_owner is None


def test_a_second_recovery_finds_nothing(process: Process) -> None:
    """Everything at once, twice: the second time changes no row and no count; the files are gone."""
    fetched, asked, accepted_one = (process.driver.bring(S.COLLECTING) for _ in range(3))
    process.answer(fetched)
    process.taken(accepted_one, "other")
    process.die()
    process.recovered()
    rows = process.driver.rows("SELECT * FROM jobs ORDER BY id")
    counts = process.driver.counts()

    assert process.recovered() == RecoveryCounts()

    assert process.driver.rows("SELECT * FROM jobs ORDER BY id") == rows
    assert process.driver.counts() == counts
    assert list(process.folder.iterdir()) == []
    assert process.driver.state(asked.job_id) is S.WAITING


def test_a_recovery_that_dies_half_way_is_done_again(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the answers were stored, before the rest: the next one ends it, and counts nothing twice."""
    fetched, sent = process.driver.bring(S.COLLECTING), process.driver.bring(S.SUBMITTING)
    process.answer(fetched)
    process.spool.append_sent(sent.job_id, 1)
    process.die()
    with monkeypatch.context() as broken:
        broken.setattr("runner.db.workers.orphans.of_worker", _die)
        with pytest.raises(KeyboardInterrupt):
            process.recovered()
    assert process.driver.state(fetched.job_id) is S.STORED

    assert process.recovered() == RecoveryCounts(workers=1, answers=0, ambiguous=1)

    assert process.driver.count("state", "stored") == 1


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_answer_judged_before_is_not_judged_again(process: Process) -> None:
    """It was unusable and the job goes again; the same bytes are still in the spool of the dead."""
    lease, unusable = process.driver.bring(S.COLLECTING), b'{"usage": {}}'
    process.answer(lease, unusable)
    process.driver.apply(result_moves.stored, received(lease.job_id, 1, unusable, "the-id"))
    process.driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    counts = process.driver.counts()
    process.die()

    assert process.recovered() == RecoveryCounts(workers=1)

    assert process.driver.state(lease.job_id) is S.PENDING
    assert process.driver.counts() == counts


def test_the_living_and_the_distant_are_not_touched(process: Process) -> None:
    """A process that holds its lock, and one of another host, keep their jobs."""
    distant = Process(process.driver, process.folder, host="there")
    mine, theirs = process.driver.bring(S.SUBMITTING), distant.driver.bring(S.SUBMITTING)
    process.spool.append_sent(mine.job_id, 1)
    distant.die()

    assert process.recovered() == RecoveryCounts()

    for lease in (mine, theirs):
        assert process.driver.state(lease.job_id) is S.SUBMITTING
    assert process.driver.apply(job_moves.accepted, accepted(mine, due_at_ms=FAR)) == {mine.job_id}
    process.die()


def test_many_answers_come_in_parts(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a spool is, a transaction stays small."""
    monkeypatch.setattr("runner.engine.recovery.dead_workers.ANSWERS_PER_COMMIT", 2)
    monkeypatch.setattr("runner.engine.recovery.dead_workers.ANSWER_BYTES_PER_COMMIT", 30)
    for number, body in enumerate((ANSWER, b" " * 50 + ANSWER, ANSWER)):
        process.answer(process.driver.bring(S.COLLECTING), body, f"id-{number}")
    process.die()

    assert process.recovered().answers == 3

    assert process.driver.count("state", "stored") == 3


@pytest.mark.parametrize("power_lost", [True, False])
def test_where_records_may_be_missing_what_was_marked_is_in_doubt(process: Process, power_lost: bool) -> None:
    """After another boot, or without its files, a missing record proves nothing."""
    lease = process.driver.bring(S.SUBMITTING)
    process.die()
    for path in process.folder.iterdir():
        if not power_lost:
            path.unlink()
        elif path.suffix == ".lock":
            path.write_text("another boot")

    assert process.recovered() == RecoveryCounts(workers=1, ambiguous=1)
    assert process.driver.row(lease.job_id).extras == 1
