"""Hypothesis drives jobs through the state machine: the real functions of db, recovery and spool, on SQLite.

Worker processes are simulated in this process, so that one can die or freeze between any two steps. They
write real spools; what a dead one had in memory, recovery must find in its spool.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from ledger_series import COUNTERS

from runner.db.answers import unreadables
from runner.db.answers.results import Received
from runner.db.counts import counters
from runner.db.counts.counters import Deltas
from runner.db.events import events
from runner.db.intake import new_jobs
from runner.db.moves import job_moves, result_moves
from runner.db.moves.outcomes import Accepted, Cause, PollAgain, Requeue
from runner.db.runs import run_end, run_moves, run_row, runs, stored_options
from runner.db.session import Database
from runner.db.tables import Base
from runner.db.workers import leases, orphans, workers
from runner.engine.collecting import settle, unreadable_replies
from runner.engine.recovery import dead_workers, expired_leases
from runner.engine.sending import record_attempts
from runner.engine.storing.spool import AcceptedRecord, AnswerRecord, Spool
from runner.rules.sending import retry
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.workers.leases import ClaimedJob, Lease, LeasedJob

JOBS = 3  # few, so that the processes compete for the same jobs
LEASE_MS = 120_000
PRICE = 7  # ticks of a good result
MEMORY = Path("/dev/shm")  # no power loss is tested, so the files may be in memory
GOOD = (
    b'{"id":"%d","object":"chat.completion","model":"grok-4.3","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,'
    b'"completion_tokens":1,"total_tokens":2,"cost_in_usd_ticks":7}}'
)
UNUSABLE, FAILED = b'{"choices":[],"usage":{"n":%d}}', b'{"code":"internal","error":"generation failed %d"}'
PAGE = b"<html>log in</html>"
PAGES_MAX = 3  # of one attempt: with more the job is asked for later than `drain` waits
EDGES = {(s, t) for row in TRANSITIONS.values() for s in row.sources for t in row.targets}
UNTIL = st.sampled_from(["sent", "sent", "sent", "marked", "leased"])
Crash = Literal["no", "before spool", "after spool"]
CRASH = st.sampled_from(["no", "no", "no", "no", "before spool", "after spool"])
MOSTLY_TRUE = st.sampled_from([True, True, True, False])
STEPS = ["submit", "reply", "claim", "fetch"]


@dataclass(slots=True)
class SubmittingJob:
    """A job in state `submitting`, leased by one process."""

    job: LeasedJob
    is_sent: bool = False
    request_id: str | None = None


@dataclass(slots=True)
class WorkerDouble:
    """A simulated worker process. When it dies, only its spool remains."""

    worker: int
    spool: Spool
    leased: list[LeasedJob] = field(default_factory=list)
    posts: list[SubmittingJob] = field(default_factory=list)
    gets: list[ClaimedJob] = field(default_factory=list)

    def die(self) -> None:
        """Close what the kernel would close: the lock and the segment file of the spool."""
        os.close(self.spool._lock)
        os.close(self.spool._segment.file)


@dataclass(slots=True)
class Submission:
    """A submission that the API accepted. Its result can be fetched once."""

    job_id: int
    body: bytes
    is_available: bool = True


class JobsStateMachine(RuleBasedStateMachine):
    """One run of a few jobs, up to two worker processes, and a simulated API."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=MEMORY if MEMORY.is_dir() else None))
        self.database = Database(f"sqlite:///{self.folder / 'a.db'}")
        self.connection = sqlite3.connect(self.folder / "a.db")
        self.api: dict[str, Submission] = {}
        self.kept: dict[str, bytes] = {}
        self.given_leases: set[tuple[int, int]] = set()
        self.processes: list[WorkerDouble] = []
        self.dead: list[WorkerDouble] = []
        self.now_ms = 1_800_000_000_000
        self.before: dict[int, JobState] = {}

    @initialize(
        on_ambiguous=st.sampled_from(["resubmit", "resubmit", "hold"]),
        budget_ticks=st.sampled_from([None, 10_000, 30, 60]),
    )
    def load(self, on_ambiguous: str, budget_ticks: int | None) -> None:
        """Load a few jobs and start their run."""
        Base.metadata.create_all(self.database.engine)
        options = run_row.RunOptions(on_ambiguous=on_ambiguous, max_attempts=3, budget_ticks=budget_ticks)
        new = [
            new_jobs.NewJob(
                line=n,
                custom_id=f"j-{n}",
                model="grok-4.3",
                prompt_tokens=1,
                output_tokens_max=None,
                body=b'{"n":%d}' % n,
                extra=None,
                conv_id=None,
            )
            for n in range(JOBS)
        ]
        with self.database.write() as connection:
            self.run_id = runs.begin(
                connection,
                identity="0" * 64,
                name="a",
                input_path="a",
                input_sha256="0" * 64,
                options=options,
                now_ms=self.now_ms,
            )
            new_jobs.insert(connection, self.run_id, 0, new)
            run_moves.set_ready(connection, self.run_id, JOBS)
            assert run_moves.start(connection, self.run_id, self.now_ms)
        self.options = options
        self.start_process()
        self.before = self.states()

    # --- what may happen: only two rules, since Hypothesis disables some rules in each example

    @rule(
        stages=st.one_of(st.just(STEPS), st.lists(st.sampled_from(STEPS), min_size=1, max_size=3)),
        which=st.integers(0, 9),
        post=st.tuples(MOSTLY_TRUE, st.sampled_from([GOOD, UNUSABLE, FAILED]), UNTIL),
        reply=st.tuples(
            MOSTLY_TRUE, st.sampled_from([job_moves.refused_for_now, job_moves.refused, job_moves.not_sent])
        ),
        get=st.tuples(st.sampled_from(["ready", "ready", "ready", "not ready", "cut", "page"]), MOSTLY_TRUE),
        crash=st.tuples(CRASH, CRASH),
    )
    def work(
        self,
        stages: list[str],
        which: int,
        post: tuple[bool, bytes, str],
        reply: tuple[bool, job_moves.MoveFunction],
        get: tuple[str, bool],
        crash: tuple[Crash, Crash],
    ) -> None:
        """Let a process do some steps, where it has jobs for them."""
        for stage in stages:
            if stage == "submit" and self.processes:
                self.submit(which, arrives=post[0], body=post[1], until=post[2])
            elif stage == "reply" and any(process.posts for process in self.processes):
                self.reply(which, is_received=reply[0], refusal=reply[1], crash=crash[0])
            elif stage == "claim" and self.processes:
                self.claim(which)
            elif stage == "fetch" and any(process.gets for process in self.processes):
                self.fetch(which, how=get[0], settles=get[1], crash=crash[1])

    @rule(
        event=st.sampled_from(["a process", "a crash", "recover", "time", "frozen", "settle", "finish"]),
        which=st.integers(0, 9),
    )
    def process_event(self, event: str, which: int) -> None:
        """Start or kill a process, let time pass, or run a part of recovery and reaper."""
        if event == "a process" and len(self.processes) < 2:
            self.start_process()
        elif event == "a crash" and self.processes:
            self.kill(self.one(which))
        elif event == "recover":
            self.recover()
        elif event == "time":
            self.now_ms += 3_000
        elif event == "frozen":
            self.leases_run_out()
        elif event == "settle":
            self.settle_stored()
        elif event == "finish":
            self.finish()

    # --- processes

    def start_process(self) -> None:
        """Start a worker process."""
        with self.database.write() as connection:
            worker = workers.register(connection, host="h", node="w", pid=1, now_ms=self.now_ms)
        self.processes.append(WorkerDouble(worker, Spool(self.folder / "spool", worker)))

    def recover(self) -> None:
        """Recover the spools and jobs of dead processes, as the engine and the reaper do."""
        dead_workers.recover_host(self.database, self.folder / "spool", "h", self.now_ms)

    def leases_run_out(self) -> None:
        """Let all leases expire and the reaper reclaim them, as if the processes had been frozen."""
        self.now_ms += LEASE_MS + 1
        expired_leases.reclaim_of_dead_workers(self.database, self.now_ms)

    # --- submit

    def submit(self, which: int, arrives: bool, body: bytes, until: str) -> None:
        """Submit one job of a process, as far as `until`; the process may freeze after any step.

        An attempt of a job that was leased long ago is recorded only if the lease is still valid.
        """
        process = self.one(which)
        if not process.leased:
            self.lease(process)
        if until == "leased" or not process.leased:
            return
        job = process.leased.pop(0)
        moved = self.write(
            lambda connection, deltas: (
                record_attempts.record_attempts(
                    connection,
                    deltas,
                    [record_attempts.AttemptToSend(job=job, reserve_ticks=PRICE + which % 4)],
                    options=run_row.RunOptions(
                        budget_ticks=1
                    ),  # only that it is set counts; the row has the amount
                    costs_unknown=False,
                    worker=process.worker,
                    now_ms=self.now_ms,
                    until_ms=self.now_ms + LEASE_MS,
                ).bodies
            )
        )
        if not moved:
            return
        post = SubmittingJob(job)
        process.posts.append(post)
        if until == "sent":
            process.spool.append_sent(job.lease.job_id, job.lease.attempt)
            post.is_sent = True
            if arrives:
                post.request_id = f"r-{len(self.api)}"
                self.api[post.request_id] = Submission(job.lease.job_id, body % len(self.api))

    def reply(self, which: int, is_received: bool, refusal: job_moves.MoveFunction, crash: Crash) -> None:
        """Handle the reply of one POST, or its loss; the process may die at any step."""
        process = self.one(which, lambda process: process.posts)
        post = process.posts.pop(which % len(process.posts))
        lease = post.job.lease
        if not post.is_sent:
            self.fenced(job_moves.not_sent, self.back(lease, JobState.PENDING))
        elif crash == "before spool":
            self.kill(process)
        elif post.request_id and is_received:
            process.spool.append_accepted(
                AcceptedRecord(
                    job_id=lease.job_id,
                    attempt=lease.attempt,
                    sent_at_ms=self.now_ms,
                    accepted_at_ms=self.now_ms,
                    request_id=post.request_id,
                )
            )
            if crash == "after spool":
                self.kill(process)
            else:
                self.fenced(job_moves.accepted, self.accepted(lease, post.request_id))
        elif post.request_id or is_received:
            target = self.decide(Event.AMBIGUOUS, post.job)
            self.fenced(job_moves.ambiguous, self.back(lease, target))
        else:
            target = JobState.FAILED if refusal is job_moves.refused else JobState.PENDING
            self.fenced(refusal, self.back(lease, target))

    # --- collect

    def claim(self, which: int) -> None:
        """Claim jobs that are due for a poll."""
        process = self.one(which)
        found = self.write(
            lambda connection, deltas: leases.claim_waiting(
                connection,
                worker=process.worker,
                now_ms=self.now_ms,
                until_ms=self.now_ms + LEASE_MS,
                rows_max=2,
                deltas=deltas,
            )
        )
        self.check_leases([job.lease for job in found])
        process.gets += found

    def fetch(self, which: int, how: str, settles: bool, crash: Crash) -> None:
        """Poll one job. A result that the API delivers is removed there, even if the process loses it."""
        process = self.one(which, lambda process: process.gets)
        job = process.gets.pop(which % len(process.gets))
        submission = self.api[job.request_id]
        if how == "not ready" and submission.is_available:
            self.fenced(job_moves.not_ready, self.not_yet(job, job.misses))
        elif how == "page" and self.pages(job) < PAGES_MAX:
            self.keep_page(process, job, crash)
        elif not submission.is_available:
            if job.misses == 0:
                self.fenced(job_moves.later, self.not_yet(job, 1))
            else:
                self.fenced(job_moves.lost, self.back(job.lease, self.decide(Event.LOST, job)))
        elif how == "cut":
            submission.is_available = False
            self.fenced(job_moves.later, self.not_yet(job, job.misses))
        else:
            submission.is_available = False
            self.keep(process, job, submission.body, settles=settles, crash=crash)

    def pages(self, job: ClaimedJob) -> int:
        """Return how many unreadable replies of an attempt were counted."""
        query = f"SELECT COALESCE(SUM(replies), 0) FROM unreadables WHERE job_id = {job.lease.job_id}"
        return int(self.ask(f"{query} AND attempt = {job.lease.attempt}")[0][0])

    def keep_page(self, process: WorkerDouble, job: ClaimedJob, crash: Crash) -> None:
        """Count an unreadable reply as the collector does; the result stays where it is."""
        lease = job.lease
        self.now_ms += 1  # two replies have two times
        if crash == "before spool":
            self.kill(process)
            return
        process.spool.append_answer(
            AnswerRecord(
                job_id=lease.job_id,
                attempt=lease.attempt,
                received_at_ms=self.now_ms,
                request_id=job.request_id,
                body=PAGE,
                is_answer=False,
            )
        )
        if crash == "after spool":
            self.kill(process)
            self.recover()
            return
        reply = unreadables.UnreadableReply(
            job_id=lease.job_id, attempt=lease.attempt, received_at_ms=self.now_ms, body=PAGE
        )
        row = unreadable_replies.UnreadableFetch(
            reply=reply,
            age_s=0.0,
            rng_unit=0.5,
            misses=job.misses,
            given_up=self.back(lease, self.decide(Event.UNUSABLE, job)),
        )
        [(gen,)] = self.ask(f"SELECT lease_gen FROM jobs WHERE id = {lease.job_id}")
        moved = self.write(unreadable_replies.record, row)
        assert not moved or gen == lease.gen, "a late worker moved what is another's"

    def settle_stored(self) -> None:
        """Settle stored results that are not settled, as the reaper does."""
        with self.database.read() as connection:
            rows = orphans.unsettled_results(connection, 10)
        for row in rows:
            self.settle(row.id, row.attempt, row.spent, row.extras, bytes(row.body))

    def finish(self) -> None:
        """Finish the run if all of its jobs have ended."""
        with self.database.write() as connection:
            run_end.finish_if_done(connection, self.run_id, self.now_ms)

    # --- what must always be true

    @invariant()
    def counters_equal_a_recount(self) -> None:
        """The counters always equal a recount of the tables."""
        with self.database.read() as connection:
            counted = counters.read(connection, self.run_id)
        assert {k: n for (kind, k), n in counted.items() if kind == "state" and n} == Counter(
            self.states().values()
        )
        extras = sum(n for (kind, _), n in counted.items() if kind == "extra")
        assert extras == self.ask("SELECT SUM(extras) FROM jobs")[0][0]
        known = self.ask("SELECT COUNT(*) FROM attempts WHERE request_id IS NOT NULL")[0][0]
        assert counted.get(("attempts", "accepted"), 0) == known
        results = self.ask("SELECT COUNT(*) FROM results")[0][0]
        assert counted.get(("attempts", "collected"), 0) <= results, "a result was settled twice"

    @invariant()
    def the_series_sums_up_to_the_counters(self) -> None:
        """Each column over all buckets is its counter; what was sent is what the attempts say."""
        with self.database.read() as connection:
            counted = counters.read(connection, self.run_id)
        [found] = self.ask(
            f"SELECT {', '.join(f'COALESCE(SUM({name}), 0)' for name in COUNTERS)} FROM run_series"
        )
        assert dict(zip(COUNTERS, found, strict=True)) == {
            name: counted.get(counter, 0) for name, counter in COUNTERS.items()
        }
        sent = "SELECT COUNT(*) FROM attempts WHERE outcome NOT IN ('not_sent', 'withheld')"
        assert self.ask(sent)[0][0] == counted.get(("attempts", "sent"), 0)

        reservations = self.ask(
            "SELECT COALESCE(SUM(reserved_ticks), 0) FROM jobs"
            " WHERE state IN ('submitting', 'waiting', 'collecting', 'stored')"
        )
        assert [(counted.get(("ticks", "reserved"), 0),)] == reservations, (
            "exactly jobs in flight are reserved"
        )

    @invariant()
    def the_budget_holds(self) -> None:
        """When every reservation is large enough, the API never bills more than the budget."""
        if self.options.budget_ticks is not None:
            assert PRICE * len(self.api) <= self.options.budget_ticks

    @invariant()
    def answers_are_never_lost(self) -> None:
        """Bytes that were stored, or imported from a spool, are kept unchanged."""
        found = dict(self.ask("SELECT request_id, body FROM results"))
        assert {request_id: found.get(request_id) for request_id in self.kept} == self.kept
        assert all(self.api[request_id].body == body for request_id, body in found.items())

    @invariant()
    def what_the_api_took_is_counted(self) -> None:
        """Each accepted submission of an ended or held job is its end or a counted extra."""
        taken = Counter(submission.job_id for submission in self.api.values())
        rows = self.ask(
            "SELECT j.id, j.state, j.extras, a.outcome FROM jobs j LEFT JOIN attempts a"
            " ON a.job_id = j.id AND a.attempt = COALESCE(j.answered_by, j.attempt)"
        )
        for job_id, state, extras, outcome in rows:
            if state in (*FINAL, JobState.HELD):
                has_end = state in FINAL and outcome in ("succeeded", "unusable", "generation_failed")
                assert taken[job_id] - has_end <= extras, (job_id, state, extras, outcome)

    @invariant()
    def bounds_hold(self) -> None:
        """No job is resubmitted automatically more than twice; attempts are numbered without a gap."""
        for extras, state in self.ask("SELECT extras, state FROM jobs"):
            assert extras - (state in ("held", "failed", "stored", "succeeded")) <= retry.AUTOMATIC_EXTRAS_MAX
        wrong_ids = self.ask(
            "SELECT j.id FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id GROUP BY j.id"
            " HAVING COUNT(a.attempt) <> j.attempt OR COALESCE(MAX(a.attempt), 0) <> j.attempt"
        )
        assert wrong_ids == []

    def teardown(self) -> None:
        """Kill all processes; then every job must reach its end without further faults."""
        try:
            for process in list(self.processes):
                self.kill(process)
            if self.before:
                self.drain()
        finally:
            for process in self.processes:
                process.die()
            self.connection.close()
            self.database.close()
            shutil.rmtree(self.folder)

    def drain(self) -> None:
        """Recover, and let one process finish all jobs with an API without faults."""
        self.recover()
        self.leases_run_out()
        self.start_process()
        self.lift_budget()
        for _ in range(12):
            self.settle_stored()
            for _ in range(JOBS):
                self.submit(0, arrives=True, body=GOOD, until="sent")
            while self.processes[0].posts:
                self.reply(0, is_received=True, refusal=job_moves.refused, crash="no")
            self.now_ms += 3_000
            self.claim(0)
            while self.processes[0].gets:
                self.fetch(0, how="ready", settles=True, crash="no")
        assert set(self.states().values()) <= {*FINAL, JobState.HELD}
        self.finish()
        self.counters_equal_a_recount()
        self.answers_are_never_lost()
        self.what_the_api_took_is_counted()
        with self.database.read() as connection:
            kinds = [event.kind for event in events.of_run(connection, self.run_id)]
        assert kinds in (
            ["started", "finished"],
            ["started", "paused", "started", "finished"],
            ["started", "paused", "finished"],  # its last jobs ended while it was paused
        )

    def lift_budget(self) -> None:
        """Resume the run without a budget, as a user would."""
        with self.database.write() as connection:
            stored_options.change(connection, self.run_id, {"budget_ticks": None}, self.now_ms)
            run_moves.start(connection, self.run_id, self.now_ms)
        self.options = replace(self.options, budget_ticks=None)

    # --- the small steps

    def one(self, which: int, fit: Callable[[WorkerDouble], object] = bool) -> WorkerDouble:
        """Return one of the processes for which `fit` is true."""
        fitting = [process for process in self.processes if fit(process)]
        return fitting[which % len(fitting)]

    def lease(self, process: WorkerDouble) -> None:
        """Lease pending jobs for a process."""
        with self.database.write() as connection:
            found = leases.lease_pending(
                connection,
                leases.LeaseLimits(rows_max=2, bytes_max=1000),
                run_id=self.run_id,
                worker=process.worker,
                now_ms=self.now_ms,
                until_ms=self.now_ms + LEASE_MS,
            )
        self.check_leases([job.lease for job in found])
        process.leased += found

    def kill(self, process: WorkerDouble) -> None:
        """Kill a process; its spool remains."""
        process.die()
        self.processes.remove(process)

    def check_leases(self, new: list[Lease]) -> None:
        """Check that no lease was given before: no two processes have the same job."""
        keys = {(lease.job_id, lease.gen) for lease in new}
        assert len(keys) == len(new)
        assert not keys & self.given_leases
        self.given_leases |= keys

    def keep(
        self, process: WorkerDouble, job: ClaimedJob, body: bytes, *, settles: bool, crash: Crash
    ) -> None:
        """Store a fetched result as the collector does."""
        if crash == "before spool":
            self.kill(process)
            return
        lease = job.lease
        process.spool.append_answer(
            AnswerRecord(
                job_id=lease.job_id,
                attempt=lease.attempt,
                received_at_ms=self.now_ms,
                request_id=job.request_id,
                body=body,
            )
        )
        if crash == "after spool":
            self.kill(process)
            self.recover()
            self.kept[job.request_id] = body
            return
        received = Received(
            job_id=lease.job_id,
            attempt=lease.attempt,
            request_id=job.request_id,
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            received_at_ms=self.now_ms,
        )
        moved = self.write(result_moves.stored, received)
        self.kept[job.request_id] = body
        if settles and moved:
            self.settle(lease.job_id, lease.attempt, job.spent, job.extras, body)

    def settle(self, job_id: int, attempt: int, spent: int, extras: int, body: bytes) -> None:
        """Settle one stored result."""
        subject = settle.StoredAnswer(
            job_id=job_id,
            attempt=attempt,
            model="grok-4.3",
            prompt_tokens=1,
            output_tokens_max=None,
            spent=spent,
            extras=extras,
            accepted_at_ms=None,
        )
        policy = settle.Policy(max_attempts=self.options.max_attempts, on_ambiguous=self.on_ambiguous)
        self.write(result_moves.settled, settle.settle(subject, body, policy=policy, now_ms=self.now_ms))

    @property
    def on_ambiguous(self) -> retry.OnAmbiguous:
        """Return the run's policy for unknown outcomes."""
        return "hold" if self.options.on_ambiguous == "hold" else "resubmit"

    def decide(self, event: Event, job: LeasedJob | ClaimedJob) -> JobState:
        """Return the state that the retry rules give a job."""
        return retry.next_state(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=self.options.max_attempts,
            on_ambiguous=self.on_ambiguous,
        )

    def back(self, lease: Lease, target: JobState) -> Requeue:
        """Return the row that requeues a job after a failed attempt."""
        return Requeue(
            lease=lease, target=target, due_at_ms=self.now_ms, at_ms=self.now_ms, cause=Cause(code="x")
        )

    def not_yet(self, job: ClaimedJob, misses: int) -> PollAgain:
        """Return the row for a poll without a result."""
        return PollAgain(lease=job.lease, due_at_ms=self.now_ms, misses=misses)

    def accepted(self, lease: Lease, request_id: str) -> Accepted:
        """Return the row for an accepted attempt."""
        return Accepted(
            lease=lease,
            request_id=request_id,
            sent_at_ms=self.now_ms,
            accepted_at_ms=self.now_ms,
            due_at_ms=self.now_ms,
        )

    def write(self, move: Callable[..., Any], *rows: object) -> Any:
        """Do one move in one transaction; check that all changes of state are in the transition table."""
        deltas = Deltas(0)
        before = self.states()
        with self.database.write() as connection:
            moved = move(connection, list(rows), deltas) if rows else move(connection, deltas)
            deltas.write(connection)
        steps = {(before[job], state) for job, state in self.states().items() if state is not before[job]}
        assert steps <= EDGES
        return moved

    def fenced(self, move: job_moves.MoveFunction, row: Accepted | Requeue | PollAgain) -> None:
        """Do a fenced move; check that it changes nothing without a valid lease."""
        [(gen,)] = self.ask(f"SELECT lease_gen FROM jobs WHERE id = {row.lease.job_id}")
        moved = self.write(move, row)
        assert not moved or gen == row.lease.gen, "a late worker moved what is another's"

    def states(self) -> dict[int, JobState]:
        """Return the states of all jobs."""
        return {job: JobState(state) for job, state in self.ask("SELECT id, state FROM jobs")}

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, read by the test's own connection."""
        return self.connection.execute(sql).fetchall()


TestMachine = JobsStateMachine.TestCase  # the invariants hold in any sequence of steps, crashes and faults
TestMachine.pytestmark = [pytest.mark.timeout(600)]  # type: ignore[attr-defined]
TestMachine.settings = settings(
    max_examples=30,  # `make soak` runs many more
    stateful_step_count=30,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # shrinking takes minutes: add Phase.shrink by hand to debug
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_more_stories() -> None:
    """The same with 3,000 examples."""
    run_state_machine_as_test(JobsStateMachine, settings=settings(TestMachine.settings, max_examples=3_000))
