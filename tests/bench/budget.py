"""The CPU time of each step of a job, measured alone on one core with the real parts."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bench_jobs
import bench_setups
from figures import Figure
from live_runner import KEY, NO_LIMITS, Simulator

from runner import settings
from runner.api import deferred
from runner.api.client import XAIClient
from runner.db import migrate
from runner.db.answers.results import Received
from runner.db.counts.counters import Deltas
from runner.db.intake import new_jobs
from runner.db.moves import job_moves
from runner.db.moves.outcomes import Accepted
from runner.db.runs import run_moves, run_row, runs
from runner.db.session import Database
from runner.db.workers import leases
from runner.engine.collecting.keep_answers import CollectedAnswer, store_and_settle
from runner.engine.collecting.settle import Policy, StoredAnswer, settle
from runner.engine.sending import record_attempts
from runner.engine.storing.spool import AcceptedRecord, AnswerRecord, Spool
from runner.intake.job_file import JobFileReader, LoadFlags
from runner.output.write import write_run
from runner.rules.costs.estimate import Tally
from runner.rules.replies import reply
from runner.rules.requests import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.db.workers.leases import ClaimedJob, LeasedJob

TITLE: Final = (
    "Processor time of a job, step by step: microseconds of one core, SQLite, 64 jobs per transaction"
)
JOBS: Final = 6_400
GROUP: Final = 64
RUN_JOBS: Final = 30_000
_BUSY_MS: Final = 3_600_000


class Steps:
    """Adds up the CPU time of steps by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = 0.0

    def start(self) -> None:
        """Start measuring."""
        self._began = time.process_time()

    def done(self, step: str) -> None:
        """Add the time since the last call to this step, and start measuring the next one."""
        now = time.process_time()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._began
        self._began = now


def measure(folder: Path) -> Iterator[Figure]:
    """Run all steps of a job one by one, then compare their sum with real workers."""
    job_file = bench_jobs.write(folder / "jobs.jsonl", JOBS)
    steps = Steps()
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        asyncio.run(_run_steps(folder, job_file, simulator.url, steps))
        simulator_us = bench_setups.cpu_s(simulator.pid) / JOBS * 1e6
    us = {step: seconds / JOBS * 1e6 for step, seconds in steps.seconds.items()}
    for step, each in us.items():
        yield Figure(what=step, found=f"{each:,.1f} µs")
    worker_us = _of_workers(folder)
    by_worker = sum(each for step, each in us.items() if not step.startswith(("parse", "insert", "write")))
    yield Figure(what="sum of the steps of a worker", found=f"{by_worker:,.0f} µs")
    yield Figure(
        what=f"two real workers, a run of {RUN_JOBS:,} jobs",
        found=f"{worker_us:,.0f} µs a job",
        beside="with their start, Celery tasks, waiting, and load on both cores",
    )
    yield Figure(what="the simulator", found=f"{simulator_us:,.0f} µs", beside="with its start")


async def _run_steps(folder: Path, job_file: Path, url: str, steps: Steps) -> None:
    env = {"HOME": "/nowhere", "XAI_API_KEY": KEY, "XAI_BASE_URL": url}
    api = XAIClient(settings.load(env, Path("/nowhere")), connections=8)
    spool = Spool(folder / "spool", 1)
    with closing(Database(f"sqlite:///{folder}/budget.db")) as database:
        migrate.upgrade(database, None)
        now_ms = database.now_ms()
        with database.write() as connection:
            run_id = runs.begin(
                connection, identity="budget", name="budget", input_path=str(job_file), input_sha256="",
                options=run_row.RunOptions(), now_ms=now_ms,
            )  # fmt: skip
        _load(database, run_id, job_file, steps)
        for _ in range(0, JOBS, GROUP):
            steps.start()
            leased, bodies = _claimed(database, run_id, now_ms, steps)
            replies = await asyncio.gather(
                *(
                    deferred.submit(api, request.splice_deferred(bodies[job.lease.job_id][0]))
                    for job in leased
                )
            )
            ids = [str(reply.classify_submit(each, now_s=0, secrets=()).request_id) for each in replies]
            steps.done("POST, and classify its reply")
            _accepted(database, spool, leased, ids, steps)
            with database.write() as connection:
                deltas = Deltas(1)
                due = leases.claim_waiting(
                    connection, worker=1, now_ms=now_ms + 1, until_ms=now_ms + _BUSY_MS, rows_max=GROUP,
                    deltas=deltas,
                )  # fmt: skip
                deltas.write(connection)
            steps.done("claim due jobs")
            fetched = await asyncio.gather(*(deferred.fetch(api, job.request_id) for job in due))
            answers = [each.body for each in fetched]
            steps.done("GET")
            _kept(database, spool, due, answers, now_ms, steps)
        steps.start()
        write_run(database, run_id, folder / "out.jsonl")
        steps.done("write the files")
    spool.close()
    await api.close()


def _load(database: Database, run_id: int, job_file: Path, steps: Steps) -> None:
    steps.start()
    today = datetime.now(UTC).date()
    found = [
        new_jobs.NewJob(
            line=line.number, custom_id=each.custom_id, model=each.model,
            prompt_tokens=each.prompt_tokens_estimate, output_tokens_max=each.max_output_tokens,
            body=each.body, extra=each.metadata, conv_id=each.conv_id,
        )
        for line, each in JobFileReader(job_file, LoadFlags(), Tally(today)).requests()
    ]  # fmt: skip
    steps.done("parse a line")
    with database.write() as connection:
        new_jobs.insert(connection, run_id, 0, found)
        run_moves.set_ready(connection, run_id, len(found))
    steps.done("insert a job")


def _claimed(
    database: Database, run_id: int, now_ms: int, steps: Steps
) -> tuple[list[LeasedJob], dict[int, tuple[bytes, str | None]]]:
    with database.write() as connection:
        leased = leases.lease_pending(
            connection, leases.LeaseLimits(rows_max=GROUP, bytes_max=1 << 30),
            run_id=run_id, worker=1, now_ms=now_ms, until_ms=now_ms + _BUSY_MS,
        )  # fmt: skip
    steps.done("lease")
    with database.write() as connection:
        deltas = Deltas(1)
        marked = record_attempts.record_attempts(
            connection, deltas, [record_attempts.AttemptToSend(job=job, reserve_ticks=1) for job in leased],
            options=run_row.RunOptions(), costs_unknown=False, worker=1,
            now_ms=now_ms, until_ms=now_ms + _BUSY_MS,
        )  # fmt: skip
        deltas.write(connection)
    steps.done("record the attempt")
    return leased, marked.bodies


def _accepted(
    database: Database, spool: Spool, leased: list[LeasedJob], ids: list[str], steps: Steps
) -> None:
    now_ms = database.now_ms()
    for job, request_id in zip(leased, ids, strict=True):
        spool.append_sent(job.lease.job_id, job.lease.attempt)
        spool.append_accepted(
            AcceptedRecord(
                job_id=job.lease.job_id, attempt=job.lease.attempt, sent_at_ms=now_ms,
                accepted_at_ms=now_ms, request_id=request_id,
            )
        )  # fmt: skip
    steps.done("spool: sent, accepted, answer")
    rows = [
        Accepted(
            lease=job.lease, request_id=request_id, sent_at_ms=now_ms, accepted_at_ms=now_ms, due_at_ms=0
        )
        for job, request_id in zip(leased, ids, strict=True)
    ]
    with database.write() as connection:
        deltas = Deltas(1)
        job_moves.accepted(connection, rows, deltas)
        deltas.write(connection)
    steps.done("commit the request ids")


def _kept(
    database: Database, spool: Spool, due: list[ClaimedJob], answers: list[bytes], now_ms: int, steps: Steps
) -> None:
    for job, body in zip(due, answers, strict=True):
        spool.append_answer(
            AnswerRecord(
                job_id=job.lease.job_id, attempt=job.lease.attempt, received_at_ms=now_ms,
                request_id=job.request_id, body=body,
            )
        )  # fmt: skip
    steps.done("spool: sent, accepted, answer")
    rows: list[Any] = []
    for job, body in zip(due, answers, strict=True):
        subject = StoredAnswer(
            job_id=job.lease.job_id, attempt=job.lease.attempt, model=job.model,
            prompt_tokens=job.prompt_tokens, output_tokens_max=job.output_tokens_max, spent=job.spent,
            extras=job.extras, accepted_at_ms=job.accepted_at_ms,
        )  # fmt: skip
        received = Received(
            job_id=job.lease.job_id, attempt=job.lease.attempt, request_id=job.request_id, body=body,
            sha256="0" * 64, received_at_ms=now_ms,
        )  # fmt: skip
        classified = settle(subject, body, policy=Policy(), now_ms=now_ms)
        rows.append(CollectedAnswer(received=received, settled=classified))
    steps.done("settle: read, judge, price")
    with database.write() as connection:
        deltas = Deltas(1)
        store_and_settle(connection, rows, deltas)
        deltas.write(connection)
    steps.done("commit the answers")


def _of_workers(folder: Path) -> float:
    job_file = bench_jobs.write(folder / "run.jsonl", RUN_JOBS)
    with (
        Simulator(folder, *bench_setups.INSTANT) as simulator,
        bench_setups.embedded(folder / "home", simulator) as home,
    ):
        command = home.start("run", str(job_file), "-o", "out.jsonl", *NO_LIMITS)
        used: dict[int, float] = {}
        while command.process.poll() is None:
            used |= {pid: seconds for pid in home.pids("worker") if (seconds := bench_setups.cpu_s(pid))}
            time.sleep(0.2)
        assert command.process.returncode == os.EX_OK, command.output
    return sum(used.values()) / RUN_JOBS * 1e6
