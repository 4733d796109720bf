"""Hypothesis drives jobs through the transition table: the real functions of db, recover and spool on SQLite.

Processes are played by hand, so that they can die or freeze between any two steps. What a process learns it
puts into a real spool; what it forgets when it dies, `recover` must find there.
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

from runner.db import counters, events, job_moves, leases, new_jobs, orphans, runs, workers
from runner.db.counters import Deltas
from runner.db.outcomes import Accepted, Cause, PollAgain, Requeue
from runner.db.results import Received
from runner.db.session import Database
from runner.db.tables import Base
from runner.engine import reaper, record_attempts, recovery, settle
from runner.engine.spool import AcceptedRecord, AnswerRecord, Spool
from runner.rules import retry
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.leases import ClaimedJob, Lease, LeasedJob

JOBS = 3  # few, so that processes get into each other's way
LEASE_MS = 120_000
PRICE = 7  # ticks of a good answer
MEMORY = Path("/dev/shm")  # nobody cuts the power here
GOOD = (
    b'{"id":"%d","object":"chat.completion","model":"grok-4.3","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,'
    b'"completion_tokens":1,"total_tokens":2,"cost_in_usd_ticks":7}}'
)
GARBAGE, FAILED = b"<html>%d", b'{"code":"internal","error":"generation failed %d"}'
EDGES = {(s, t) for row in TRANSITIONS.values() for s in row.sources for t in row.targets}
UNTIL = st.sampled_from(["sent", "sent", "sent", "marked", "leased"])
Crash = Literal["no", "before spool", "after spool"]
CRASH = st.sampled_from(["no", "no", "no", "no", "before spool", "after spool"])
MOSTLY = st.sampled_from([True, True, True, False])
STAGES = ["submit", "reply", "claim", "fetch"]


@dataclass(slots=True)
class Post:
    """A job in state `submitting`, in the hands of one process."""

    job: LeasedJob
    is_sent: bool = False
    request_id: str | None = None


@dataclass(slots=True)
class Process:
    """A worker process: what it knows dies with it, but for its spool."""

    worker: int
    spool: Spool
    leased: list[LeasedJob] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    gets: list[ClaimedJob] = field(default_factory=list)

    def die(self) -> None:
        """Let go of what the kernel would take back."""
        os.close(self.spool._lock)
        os.close(self.spool._segment.file)


@dataclass(slots=True)
class Submission:
    """What the API holds: a body until it is handed out."""

    job_id: int
    body: bytes
    is_there: bool = True


class Machine(RuleBasedStateMachine):
    """A run of a few jobs, up to two processes, one API."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=MEMORY if MEMORY.is_dir() else None))
        self.database = Database(f"sqlite:///{self.folder / 'a.db'}")
        self.base = sqlite3.connect(self.folder / "a.db")
        self.api: dict[str, Submission] = {}
        self.kept: dict[str, bytes] = {}
        self.handed: set[tuple[int, int]] = set()
        self.processes: list[Process] = []
        self.dead: list[Process] = []
        self.now_ms = 1_800_000_000_000
        self.before: dict[int, JobState] = {}

    @initialize(
        on_ambiguous=st.sampled_from(["resubmit", "resubmit", "hold"]),
        budget_ticks=st.sampled_from([None, 10_000, 30, 60]),
    )
    def load(self, on_ambiguous: str, budget_ticks: int | None) -> None:
        """Load a few jobs and start their run."""
        Base.metadata.create_all(self.database.engine)
        options = runs.RunOptions(on_ambiguous=on_ambiguous, max_attempts=3, budget_ticks=budget_ticks)
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
            runs.set_ready(connection, self.run_id, JOBS)
            assert runs.start(connection, self.run_id, self.now_ms)
        self.options = options
        self.start_process()
        self.before = self.states()

    # --- what may happen: two rules, since Hypothesis leaves some rules out of every story

    @rule(
        stages=st.one_of(st.just(STAGES), st.lists(st.sampled_from(STAGES), min_size=1, max_size=3)),
        which=st.integers(0, 9),
        post=st.tuples(MOSTLY, st.sampled_from([GOOD, GARBAGE, FAILED]), UNTIL),
        heard=st.tuples(
            MOSTLY, st.sampled_from([job_moves.refused_for_now, job_moves.refused, job_moves.not_sent])
        ),
        get=st.tuples(st.sampled_from(["ready", "ready", "ready", "not ready", "cut"]), MOSTLY),
        crash=st.tuples(CRASH, CRASH),
    )
    def work(
        self,
        stages: list[str],
        which: int,
        post: tuple[bool, bytes, str],
        heard: tuple[bool, job_moves.MoveFunction],
        get: tuple[str, bool],
        crash: tuple[Crash, Crash],
    ) -> None:
        """A process does some steps, as far as it has them to do."""
        for stage in stages:
            if stage == "submit" and self.processes:
                self.submit(which, arrives=post[0], body=post[1], until=post[2])
            elif stage == "reply" and any(process.posts for process in self.processes):
                self.reply(which, is_heard=heard[0], turned_away=heard[1], crash=crash[0])
            elif stage == "claim" and self.processes:
                self.claim(which)
            elif stage == "fetch" and any(process.gets for process in self.processes):
                self.fetch(which, how=get[0], settles=get[1], crash=crash[1])

    @rule(
        event=st.sampled_from(["a process", "a crash", "recover", "time", "frozen", "settle", "finish"]),
        which=st.integers(0, 9),
    )
    def trouble(self, event: str, which: int) -> None:
        """Processes come and go, time passes, the sweep comes by."""
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
        """A worker process appears."""
        with self.database.write() as connection:
            worker = workers.register(connection, host="h", node="w", pid=1, now_ms=self.now_ms)
        self.processes.append(Process(worker, Spool(self.folder / "spool", worker)))

    def recover(self) -> None:
        """The next engine, or the sweep, puts in order what dead processes left."""
        recovery.recover_host(self.database, self.folder / "spool", "h", self.now_ms)

    def leases_run_out(self) -> None:
        """The processes were frozen: the sweep takes back what they hold, and they are late workers."""
        self.now_ms += LEASE_MS + 1
        reaper.reclaim_expired_leases(self.database, self.now_ms)

    # --- submit

    def submit(self, which: int, arrives: bool, body: bytes, until: str) -> None:
        """A message to submit, as often as it may come; the process may be frozen after any step.

        A job that was leased long ago is marked only if its lease still holds.
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
                    options=runs.RunOptions(budget_ticks=1),  # it looks for itself how much there is
                    costs_unknown=False,
                    worker=process.worker,
                    now_ms=self.now_ms,
                    until_ms=self.now_ms + LEASE_MS,
                ).bodies
            )
        )
        if not moved:
            return
        post = Post(job)
        process.posts.append(post)
        if until == "sent":
            process.spool.append_sent(job.lease.job_id, job.lease.attempt)
            post.is_sent = True
            if arrives:
                post.request_id = f"r-{len(self.api)}"
                self.api[post.request_id] = Submission(job.lease.job_id, body % len(self.api))

    def reply(self, which: int, is_heard: bool, turned_away: job_moves.MoveFunction, crash: Crash) -> None:
        """The reply comes or does not; the process may die at any step of taking it in."""
        process = self.one(which, lambda process: process.posts)
        post = process.posts.pop(which % len(process.posts))
        lease = post.job.lease
        if not post.is_sent:
            self.fenced(job_moves.not_sent, self.back(lease, JobState.PENDING))
        elif crash == "before spool":
            self.kill(process)
        elif post.request_id and is_heard:
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
        elif post.request_id or is_heard:
            target = self.decide(Event.AMBIGUOUS, post.job)
            self.fenced(job_moves.ambiguous, self.back(lease, target))
        else:
            target = JobState.FAILED if turned_away is job_moves.refused else JobState.PENDING
            self.fenced(turned_away, self.back(lease, target))

    # --- collect

    def claim(self, which: int) -> None:
        """A message to collect, as often as it may come."""
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
        self.taken([job.lease for job in found])
        process.gets += found

    def fetch(self, which: int, how: str, settles: bool, crash: Crash) -> None:
        """Ask once. What is handed out is gone from the API, whatever becomes of it here."""
        process = self.one(which, lambda process: process.gets)
        job = process.gets.pop(which % len(process.gets))
        held = self.api[job.request_id]
        if how == "not ready" and held.is_there:
            self.fenced(job_moves.not_ready, self.not_yet(job, job.misses))
        elif not held.is_there:
            if job.misses == 0:
                self.fenced(job_moves.later, self.not_yet(job, 1))
            else:
                self.fenced(job_moves.lost, self.back(job.lease, self.decide(Event.LOST, job)))
        elif how == "cut":
            held.is_there = False
            self.fenced(job_moves.later, self.not_yet(job, job.misses))
        else:
            held.is_there = False
            self.keep(process, job, held.body, settles=settles, crash=crash)

    def settle_stored(self) -> None:
        """The sweep judges what was stored and not judged."""
        with self.database.read() as connection:
            rows = orphans.unsettled_results(connection, 10)
        for row in rows:
            self.judge(row.id, row.attempt, row.spent, row.extras, bytes(row.body))

    def finish(self) -> None:
        """The run ends when it may."""
        with self.database.write() as connection:
            runs.finish_if_done(connection, self.run_id, self.now_ms)

    # --- what must always be true

    @invariant()
    def counters_equal_a_recount(self) -> None:
        """Deltas never drift."""
        with self.database.read() as connection:
            kept = counters.read(connection, self.run_id)
        assert {k: n for (kind, k), n in kept.items() if kind == "state" and n} == Counter(
            self.states().values()
        )
        extras = sum(n for (kind, _), n in kept.items() if kind == "extra")
        assert extras == self.ask("SELECT SUM(extras) FROM jobs")[0][0]
        known = self.ask("SELECT COUNT(*) FROM attempts WHERE request_id IS NOT NULL")[0][0]
        assert kept.get(("attempts", "accepted"), 0) == known
        answers = self.ask("SELECT COUNT(*) FROM results")[0][0]
        assert kept.get(("attempts", "collected"), 0) <= answers, "an answer was judged twice"

        reserves = self.ask(
            "SELECT COALESCE(SUM(reserved_ticks), 0) FROM jobs"
            " WHERE state IN ('submitting', 'waiting', 'collecting', 'stored')"
        )
        assert [(kept.get(("ticks", "reserved"), 0),)] == reserves, "what is out is reserved, nothing else"

    @invariant()
    def the_budget_holds(self) -> None:
        """When every reserve is enough, the API never bills more than the budget."""
        if self.options.budget_ticks is not None:
            assert PRICE * len(self.api) <= self.options.budget_ticks

    @invariant()
    def answers_are_never_lost(self) -> None:
        """Bytes that were stored, or had reached a spool that was imported, stay as they came."""
        found = dict(self.ask("SELECT request_id, body FROM results"))
        assert {request_id: found.get(request_id) for request_id in self.kept} == self.kept
        assert all(self.api[request_id].body == body for request_id, body in found.items())

    @invariant()
    def what_the_api_took_is_counted(self) -> None:
        """Of a job at rest every accepted submission is its end or an extra: nothing is paid in silence."""
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
        """Nobody is sent again by itself more than twice; attempts are numbered without a gap."""
        for extras, state in self.ask("SELECT extras, state FROM jobs"):
            assert extras - (state in ("held", "failed", "stored", "succeeded")) <= retry.AUTOMATIC_EXTRAS_MAX
        odd = self.ask(
            "SELECT j.id FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id GROUP BY j.id"
            " HAVING COUNT(a.attempt) <> j.attempt OR COALESCE(MAX(a.attempt), 0) <> j.attempt"
        )
        assert odd == []

    def teardown(self) -> None:
        """Everything dies; a well world then brings every job to its end."""
        try:
            for process in list(self.processes):
                self.kill(process)
            if self.before:
                self.drain()
        finally:
            for process in self.processes:
                process.die()
            self.base.close()
            self.database.close()
            shutil.rmtree(self.folder)

    def drain(self) -> None:
        """One good process after the crash, and an API without faults."""
        self.recover()
        self.leases_run_out()
        self.start_process()
        self.lift_budget()
        for _ in range(12):
            self.settle_stored()
            for _ in range(JOBS):
                self.submit(0, arrives=True, body=GOOD, until="sent")
            while self.processes[0].posts:
                self.reply(0, is_heard=True, turned_away=job_moves.refused, crash="no")
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
            told = [event.kind for event in events.of_run(connection, self.run_id)]
        assert told in (
            ["started", "finished"],
            ["started", "paused", "started", "finished"],
            ["started", "paused", "finished"],  # while it was paused the last of its jobs had their end
        )

    def lift_budget(self) -> None:
        """A person lets the run go on without a budget."""
        with self.database.write() as connection:
            runs.update_options(connection, self.run_id, budget_ticks=None)
            runs.start(connection, self.run_id, self.now_ms)
        self.options = replace(self.options, budget_ticks=None)

    # --- the small steps

    def one(self, which: int, fit: Callable[[Process], object] = bool) -> Process:
        """Pick a process among those that fit."""
        fitting = [process for process in self.processes if fit(process)]
        return fitting[which % len(fitting)]

    def lease(self, process: Process) -> None:
        """Lease what is pending."""
        with self.database.write() as connection:
            found = leases.lease_pending(
                connection,
                leases.LeaseLimits(rows_max=2, bytes_max=1000),
                run_id=self.run_id,
                worker=process.worker,
                now_ms=self.now_ms,
                until_ms=self.now_ms + LEASE_MS,
            )
        self.taken([job.lease for job in found])
        process.leased += found

    def kill(self, process: Process) -> None:
        """Remove a process; its answers in the spool are to be found."""
        process.die()
        self.processes.remove(process)

    def taken(self, found: list[Lease]) -> None:
        """No lease is given out twice: no job is in two hands."""
        keys = {(lease.job_id, lease.gen) for lease in found}
        assert len(keys) == len(found)
        assert not keys & self.handed
        self.handed |= keys

    def keep(self, process: Process, job: ClaimedJob, body: bytes, *, settles: bool, crash: Crash) -> None:
        """Take in an answer as the collector does."""
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
        moved = self.write(job_moves.stored, received)
        self.kept[job.request_id] = body
        if settles and moved:
            self.judge(lease.job_id, lease.attempt, job.spent, job.extras, body)

    def judge(self, job_id: int, attempt: int, spent: int, extras: int, body: bytes) -> None:
        """Settle one stored answer."""
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
        self.write(job_moves.settled, settle.settle(subject, body, policy=policy, now_ms=self.now_ms))

    @property
    def on_ambiguous(self) -> retry.OnAmbiguous:
        """Return the run's policy."""
        return "hold" if self.options.on_ambiguous == "hold" else "resubmit"

    def decide(self, event: Event, job: LeasedJob | ClaimedJob) -> JobState:
        """Ask the rules where a job goes."""
        return retry.next_state(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=self.options.max_attempts,
            on_ambiguous=self.on_ambiguous,
        )

    def back(self, lease: Lease, target: JobState) -> Requeue:
        """An attempt that came to nothing."""
        return Requeue(
            lease=lease, target=target, due_at_ms=self.now_ms, at_ms=self.now_ms, cause=Cause(code="x")
        )

    def not_yet(self, job: ClaimedJob, misses: int) -> PollAgain:
        """A fetch that brought nothing."""
        return PollAgain(lease=job.lease, due_at_ms=self.now_ms, misses=misses)

    def accepted(self, lease: Lease, request_id: str) -> Accepted:
        """An accepted attempt."""
        return Accepted(
            lease=lease,
            request_id=request_id,
            sent_at_ms=self.now_ms,
            accepted_at_ms=self.now_ms,
            due_at_ms=self.now_ms,
        )

    def write(self, move: Callable[..., Any], *rows: object) -> Any:
        """Do one move in a transaction of its own; every job goes along an edge of the table, or stays."""
        deltas = Deltas(0)
        before = self.states()
        with self.database.write() as connection:
            moved = move(connection, list(rows), deltas) if rows else move(connection, deltas)
            deltas.write(connection)
        steps = {(before[job], state) for job, state in self.states().items() if state is not before[job]}
        assert steps <= EDGES
        return moved

    def fenced(self, move: job_moves.MoveFunction, row: Accepted | Requeue | PollAgain) -> None:
        """Do a move that needs its lease; without it, it moves nothing."""
        [(gen,)] = self.ask(f"SELECT lease_gen FROM jobs WHERE id = {row.lease.job_id}")
        moved = self.write(move, row)
        assert not moved or gen == row.lease.gen, "a late worker moved what is another's"

    def states(self) -> dict[int, JobState]:
        """Read where all jobs are."""
        return {job: JobState(state) for job, state in self.ask("SELECT id, state FROM jobs")}

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database past the product."""
        return self.base.execute(sql).fetchall()


TestMachine = Machine.TestCase  # any story of processes, crashes and faults keeps the promises
TestMachine.settings = settings(
    max_examples=60,  # `make soak` plays the same story many times more
    stateful_step_count=30,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # to make a story short takes minutes: add shrink by hand
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_more_stories() -> None:
    """The same, for minutes."""
    run_state_machine_as_test(Machine, settings=settings(TestMachine.settings, max_examples=3_000))
