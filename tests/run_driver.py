"""Test driver for runs and jobs: brings jobs to any state by the moves of `runner.db`, without an engine."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import text

from runner.db.answers.results import Received
from runner.db.counts import counters
from runner.db.counts.counters import Deltas
from runner.db.intake import new_jobs
from runner.db.intake.new_jobs import NewJob
from runner.db.jobs.job_ids import job_id
from runner.db.moves import job_moves, result_moves
from runner.db.moves.outcomes import Accepted, Cause, Cost, LabelCheck, PollAgain, Requeue, Settled
from runner.db.runs import run_moves, runs
from runner.db.runs.run_row import RunOptions
from runner.db.workers import leases
from runner.db.workers.leases import ClaimedJob, Lease
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.requests import output_estimate
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from runner.db.session import Database

Moved = TypeVar("Moved")
NOW_MS: Final = 1_800_000_000_000
LEASE_MS: Final = 120_000
WORKER: Final = 7
FAR: Final = 1 << 40  # ms; a job due that far ahead is not claimed
CAUSE: Final = Cause(code="some-cause", message="a cause", http_status=500)
COST: Final = Cost(
    model="grok-4.3",
    finish_reason="stop",
    prompt_tokens=10,
    cached_tokens=4,
    completion_tokens=20,
    reasoning_tokens=5,
    total_tokens=35,
    ticks=1_000,
    ticks_source="reported",
    prices_as_of="2026-09-29",
)


def new_job(number: int, body: bytes = b'{"model":"grok-4.3"}') -> NewJob:
    """Return the new job of line `number`."""
    return NewJob(
        line=number,
        custom_id=f"r-{number}",
        model="grok-4.3",
        prompt_tokens=10,
        output_tokens_max=100,
        body=body,
        extra=None,
        conv_id=None,
    )


def received(job: int, attempt: int = 1, body: bytes = b"{}", request_id: str | None = None) -> Received:
    """Return a received result."""
    return Received(
        job_id=job,
        attempt=attempt,
        request_id=request_id or f"id-{job}-{attempt}",
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
        received_at_ms=NOW_MS + 2_000,
    )


def accepted(lease: Lease, request_id: str | None = None, due_at_ms: int = NOW_MS) -> Accepted:
    """Return the row for an accepted attempt."""
    return Accepted(
        lease=lease,
        request_id=request_id or f"id-{lease.job_id}-{lease.attempt}",
        sent_at_ms=NOW_MS,
        accepted_at_ms=NOW_MS + 1,
        due_at_ms=due_at_ms,
    )


def claimed_job(job: int, accepted_at_ms: int = NOW_MS) -> ClaimedJob:
    """Return an accepted job whose answer is due, of which nothing is in the database."""
    return ClaimedJob(
        lease=Lease(job_id=job, gen=1, attempt=1),
        model="grok-4.3",
        request_id=f"id-{job}-1",
        accepted_at_ms=accepted_at_ms,
        polls=1,
        misses=0,
        spent=0,
        extras=0,
        prompt_tokens=1_000,
        output_tokens_max=100,
        slot=None,
        is_interrupted=False,
    )


def requeue_row(lease: Lease, target: JobState, possible_ticks: int | None = 0) -> Requeue:
    """Return the row that requeues a job after a failed attempt."""
    return Requeue(
        lease=lease,
        target=target,
        due_at_ms=NOW_MS,
        at_ms=NOW_MS + 3_000,
        cause=CAUSE,
        uncertain=unread(possible_ticks),
    )


def unread(possible_ticks: int | None) -> UncertainCost | None:
    """Return an uncertain cost with this upper bound, a third of it probable."""
    return None if possible_ticks is None else UncertainCost(possible_ticks // 3, possible_ticks)


def poll_again_row(lease: Lease, due_at_ms: int = NOW_MS, misses: int = 0) -> PollAgain:
    """Return the row for a poll without a result."""
    return PollAgain(lease=lease, due_at_ms=due_at_ms, misses=misses)


def settled(
    job: int,
    attempt: int,
    event: Event,
    target: JobState,
    cost: Cost = COST,
    label_check: LabelCheck | None = None,
) -> Settled:
    """Return the row that settles a stored result."""
    return Settled(
        job_id=job,
        attempt=attempt,
        event=event,
        target=target,
        at_ms=NOW_MS + 3_000,
        due_at_ms=NOW_MS,
        latency_bucket="1",
        cost=cost,
        cause=None if event is Event.SUCCEEDED else CAUSE,
        label_check=label_check,
    )


@dataclass(frozen=True, slots=True)
class RunDriver:
    """Moves the jobs of one run."""

    database: Database
    run_id: int
    worker: int = WORKER
    reserve_ticks: int | None = None  # of each attempt

    def apply(self, move: Callable[..., set[Moved]], *rows: Any) -> set[Moved]:
        """Apply a move of `runner.db` to rows in one transaction with its counters; return what moved."""
        moved: set[Moved] = self.in_transaction(lambda connection, deltas: move(connection, rows, deltas))
        return moved

    def in_transaction(self, work: Callable[[Connection, Deltas], Any]) -> Any:
        """Call `work(connection, deltas)` in one transaction with its counters; return its result."""
        with self.database.write() as connection:
            deltas = Deltas(self.worker)
            result = work(connection, deltas)
            deltas.write(connection)
        return result

    def lease(self, count: int = 1, now_ms: int = NOW_MS) -> list[Lease]:
        """Lease the next pending jobs; return their leases."""
        return [job.lease for job in self.leased(rows_max=count, now_ms=now_ms)]

    def leased(
        self,
        *,
        rows_max: int = 100,
        bytes_max: int = 1 << 30,
        ordinals_max: int | None = None,
        without_extras: bool = False,
        now_ms: int = NOW_MS,
    ) -> list[leases.LeasedJob]:
        """Lease the next pending jobs; return all that a worker gets of them."""
        with self.database.write() as connection:
            return leases.lease_pending(
                connection,
                leases.LeaseLimits(
                    rows_max=rows_max,
                    bytes_max=bytes_max,
                    ordinals_max=ordinals_max,
                    without_extras=without_extras,
                ),
                run_id=self.run_id,
                worker=self.worker,
                now_ms=now_ms,
                until_ms=now_ms + LEASE_MS,
            )

    def send(self, *leased: Lease, now_ms: int = NOW_MS) -> set[int]:
        """Record attempts of leased jobs."""
        moved: set[int] = self.in_transaction(
            lambda connection, deltas: job_moves.send(
                connection,
                leased,
                worker=self.worker,
                now_ms=now_ms,
                until_ms=now_ms + LEASE_MS,
                deltas=deltas,
                reserves={lease.job_id: self.reserve_ticks for lease in leased},
            )
        )
        return moved

    def claim(self, count: int = 1, now_ms: int = NOW_MS) -> list[leases.ClaimedJob]:
        """Claim waiting jobs that are due for a poll."""
        found: list[leases.ClaimedJob] = self.in_transaction(
            lambda connection, deltas: leases.claim_waiting(
                connection,
                worker=self.worker,
                now_ms=now_ms,
                until_ms=now_ms + LEASE_MS,
                rows_max=count,
                deltas=deltas,
            )
        )
        return found

    def bring(self, state: JobState) -> Lease:
        """Move the next pending job to a state, by the moves that lead there; return its last lease."""
        (lease,) = self.lease()
        if state is JobState.PENDING:
            return lease
        if state is JobState.CANCELLED:
            self._cancel(lease.job_id)
            return lease
        self.send(lease)
        if state is JobState.FAILED:
            self.apply(job_moves.refused, requeue_row(lease, JobState.FAILED))
        elif state is JobState.HELD:
            self.apply(job_moves.ambiguous, requeue_row(lease, JobState.HELD))
        elif state is not JobState.SUBMITTING:
            self.apply(job_moves.accepted, accepted(lease, due_at_ms=NOW_MS - FAR))
            return self._bring_accepted(lease, state)
        return lease

    def _bring_accepted(self, lease: Lease, state: JobState) -> Lease:
        if state is JobState.WAITING:
            self.change(lease.job_id, f"due_at_ms = {FAR * 2}")
            return lease
        if state is JobState.COLLECTING:
            (claimed,) = self.claim()
            assert claimed.lease.job_id == lease.job_id
            return claimed.lease
        self.apply(result_moves.stored, received(lease.job_id, lease.attempt))
        if state is JobState.SUCCEEDED:
            self.apply(result_moves.settled, settled(lease.job_id, lease.attempt, Event.SUCCEEDED, state))
        return lease

    def _cancel(self, job: int) -> None:
        self.change(job, f"state = 'cancelled', finished_at_ms = {NOW_MS}, lease_owner = NULL")
        self.in_transaction(
            lambda _, deltas: deltas.move_jobs(self.run_id, JobState.PENDING.value, JobState.CANCELLED.value)
        )

    def change(self, job: int, change: str) -> None:
        """Change columns of a job's row directly; `change` is the SET clause."""
        with self.database.write() as connection:
            connection.execute(text(f"UPDATE jobs SET {change} WHERE id = :id"), {"id": job})

    def row(self, job: int) -> Row[Any]:
        """Return a job's row."""
        return self.rows("SELECT * FROM jobs WHERE id = :id", id=job)[0]

    def state(self, job: int) -> JobState:
        """Return a job's state."""
        return JobState(self.row(job).state)

    def history(self, job: int) -> list[Row[Any]]:
        """Return a job's attempts, oldest first."""
        return self.rows("SELECT * FROM attempts WHERE job_id = :id ORDER BY attempt", id=job)

    def rows(self, query: str, **values: object) -> list[Row[Any]]:
        """Return the rows of a query."""
        with self.database.read() as connection:
            return list(connection.execute(text(query), values))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the run's counters that are not 0."""
        with self.database.read() as connection:
            return {key: n for key, n in counters.read(connection, self.run_id).items() if n}

    def count(self, kind: str, key: str) -> int:
        """Return one counter."""
        return self.counts().get((kind, key), 0)

    def recount(self) -> dict[tuple[str, str], int]:
        """Return the counters as counted from the tables, without polls, refusals, extras and unread ones."""
        found: Counter[tuple[str, str]] = Counter()
        for job in self.rows("SELECT * FROM jobs WHERE run_id = :run", run=self.run_id):
            found["state", job.state] += 1
            if job.state == "failed":
                found["code", job.error_code] += 1
        for attempt in self.rows("SELECT * FROM attempts WHERE job_id >> 32 = :run", run=self.run_id):
            found["attempts", "sent"] += attempt.outcome not in (Event.NOT_SENT, Event.WITHHELD)
            found["attempts", "accepted"] += attempt.request_id is not None
            if attempt.possible_ticks is not None:
                found["ticks", "possible_extra"] += attempt.possible_ticks
                found["ticks", "probable_extra"] += attempt.probable_ticks
            if attempt.model is not None:
                _recount_collected(found, attempt)
        return {key: n for key, n in found.items() if n}


def _recount_collected(found: Counter[tuple[str, str]], attempt: Row[Any]) -> None:
    found["attempts", "collected"] += 1
    found["latency", "1"] += 1
    found["model_jobs", attempt.model] += 1
    for kind in ("prompt", "cached", "completion", "reasoning", "total"):
        found["tokens", kind] += getattr(attempt, f"{kind}_tokens") or 0
    output = max(attempt.completion_tokens, attempt.total_tokens - attempt.prompt_tokens)
    found["output", output_estimate.counter_key(attempt.model, output)] += 1
    if attempt.ticks is None:
        found["unknown", "jobs"] += attempt.ticks_source == "unknown"
    else:
        found["attempts", "priced"] += 1
        found["ticks", attempt.ticks_source] += attempt.ticks
        found["model_ticks", attempt.model] += attempt.ticks
        found["dearest", attempt.model] = max(found["dearest", attempt.model], attempt.ticks)
    if attempt.outcome == "succeeded":
        found["finish", attempt.finish_reason] += 1


def new_run(
    database: Database,
    count: int,
    options: RunOptions | None = None,
    identity: str = "identity",
    body: bytes = b'{"model":"grok-4.3"}',
    recipe: str | None = None,
    needs: str | None = None,
) -> RunDriver:
    """Load a run with `count` jobs and start it; return its driver."""
    with database.write() as connection:
        run_id = runs.begin(
            connection,
            identity=identity,
            name="by-hand",
            input_path="/by-hand.jsonl",
            input_sha256="0" * 64,
            options=options or RunOptions(),
            now_ms=NOW_MS,
            recipe=recipe,
            needs=needs,
        )
        new_jobs.insert(connection, run_id, 0, [new_job(number, body) for number in range(1, count + 1)])
        run_moves.set_ready(connection, run_id, count)
        run_moves.start(connection, run_id, NOW_MS)
    return RunDriver(database, run_id)


def first_job(driver: RunDriver) -> int:
    """Return the id of a run's first job."""
    return job_id(driver.run_id, 0)
