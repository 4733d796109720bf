"""Many jobs of several runs, made by SQL in the database itself: what listings are measured with.

Run 1 has ended, run 2 is at work, run 3 was not started, run 4 has ended, and run 5 was cancelled halfway.
They have 60, 30, 5, 3 and 2 of each hundred jobs. Bodies and answers are left out: no listing reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from runner.db.counts.counters import Deltas
from runner.db.jobs.job_ids import JOB_ID_SHIFT

if TYPE_CHECKING:
    from sqlalchemy import Connection

AT_MS: Final = 1_790_000_000_000
RARE: Final = "context_length"  # the code of the last ten failed jobs of a run that has ended
_MIXED: Final = "(n * 2654435761) % 1000"  # numbers of 0 to 999 without an order that an index could have
_ENDED: Final = f"CASE WHEN {_MIXED} < 20 THEN 'failed' WHEN {_MIXED} = 20 THEN 'held' ELSE 'succeeded' END"
_CODE: Final = (
    "CASE WHEN state = 'held' THEN 'expired' WHEN state <> 'failed' THEN NULL"
    f" WHEN n >= :rare_from THEN '{RARE}' WHEN n % 10 < 6 THEN 'safety'"
    " WHEN n % 10 < 9 THEN 'generation_failed' ELSE 'invalid_request' END"
)
_FLAW: Final = (
    f"CASE WHEN state <> 'succeeded' THEN NULL WHEN {_MIXED} < 31 THEN 'length'"
    f" WHEN {_MIXED} = 31 THEN 'empty' ELSE NULL END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRun:
    """A run: the first `ended` jobs have ended, the next `waiting` are out, the last ones are cancelled."""

    run_id: int
    state: str
    jobs: int
    ended: int
    waiting: int = 0
    cancelled: int = 0


def runs_of(jobs: int) -> tuple[MadeRun, ...]:
    """Return the five runs that have `jobs` jobs in all."""
    hundredth = jobs // 100
    return (
        MadeRun(run_id=1, state="finished", jobs=60 * hundredth, ended=59 * hundredth, cancelled=hundredth),
        MadeRun(
            run_id=2, state="running", jobs=30 * hundredth, ended=6 * hundredth, waiting=min(2_000, hundredth)
        ),
        MadeRun(run_id=3, state="ready", jobs=5 * hundredth, ended=0),
        MadeRun(run_id=4, state="finished", jobs=3 * hundredth, ended=3 * hundredth),
        MadeRun(run_id=5, state="cancelled", jobs=2 * hundredth, ended=hundredth, cancelled=hundredth),
    )


def insert(connection: Connection, jobs: int) -> None:
    """Insert five runs with `jobs` jobs in all, their attempts and their counters; gather statistics."""
    for run in runs_of(jobs):
        _insert_run(connection, run)
        _insert_jobs(connection, run)
        _insert_attempts(connection, run)
        _count(connection, run)


def _insert_run(connection: Connection, run: MadeRun) -> None:
    query = text(
        "INSERT INTO runs (id, identity, repetition, name, state, input_path, input_sha256, options, total,"
        " created_at_ms, started_at_ms, finished_at_ms)"
        " VALUES (:run, CAST(:run AS VARCHAR), 0, :name, :state,"
        " '/jobs.jsonl', '', '{}', :jobs, :at, :at, :ended_at)"
    )
    ended_at = AT_MS if run.state in ("finished", "cancelled") else None
    values = {"run": run.run_id, "name": f"made-{run.run_id}", "state": run.state, "jobs": run.jobs}
    connection.execute(query, {**values, "at": AT_MS, "ended_at": ended_at})


def _insert_jobs(connection: Connection, run: MadeRun) -> None:
    numbers = (
        "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :jobs - 1)"
    )
    if connection.dialect.name != "sqlite":
        numbers = "WITH numbers(n) AS (SELECT generate_series(CAST(0 AS BIGINT), :jobs - 1))"
    query = text(
        f"{numbers}, states AS (SELECT n, CASE WHEN n < :ended THEN {_ENDED}"
        " WHEN n < :waiting_until THEN 'waiting' WHEN n >= :cancelled_from THEN 'cancelled'"
        " ELSE 'pending' END AS state FROM numbers)"
        " INSERT INTO jobs (id, run_id, line, custom_id, model, prompt_tokens, body_bytes, state, due_at_ms,"
        " lease_gen, attempt, answered_by, spent, extras, polls, misses, settle_tries, request_id,"
        " accepted_at_ms, error_code, finished_at_ms)"
        " SELECT :first + n, :run, n + 1, 'r-' || n, CASE n % 20 WHEN 0 THEN 'grok-3' ELSE 'grok-4.3' END,"
        " 100 + n % 50, 1, state, :at, 1, CASE WHEN state IN ('pending', 'cancelled') THEN 0 ELSE 1 END,"
        " CASE WHEN state = 'succeeded' THEN 1 END, 0, 0, 0, 0, 0,"
        " CASE WHEN state = 'waiting' THEN 'q' || :run || '-' || n END,"
        f" CASE WHEN state = 'waiting' THEN :at END, {_CODE},"
        " CASE WHEN state IN ('succeeded', 'failed', 'cancelled') THEN :at END FROM states"
    )
    values = {"run": run.run_id, "first": run.run_id << JOB_ID_SHIFT, "jobs": run.jobs, "at": AT_MS}
    bounds = {
        "ended": run.ended,
        "waiting_until": run.ended + run.waiting,
        "cancelled_from": run.jobs - run.cancelled,
        "rare_from": run.ended - 500,
    }
    connection.execute(query, {**values, **bounds})


def _insert_attempts(connection: Connection, run: MadeRun) -> None:
    query = text(
        "INSERT INTO attempts (job_id, attempt, lane, worker, outcome, marked_at_ms, polls, model, flaw,"
        " error_code) SELECT id, 1, 'deferred', 1,"
        " CASE state WHEN 'waiting' THEN 'accepted' WHEN 'held' THEN 'lost' ELSE state END,"
        f" :at, 1, model, {_FLAW.replace('n *', '(id - :first) *')}, error_code FROM jobs"
        " WHERE id >= :first AND id < :last AND attempt = 1"
    )
    first = run.run_id << JOB_ID_SHIFT
    connection.execute(query, {"at": AT_MS, "first": first, "last": first + run.jobs})


def _count(connection: Connection, run: MadeRun) -> None:
    """Count the jobs by state, the failed ones by code and the succeeded ones by flaw."""
    first = run.run_id << JOB_ID_SHIFT
    of_jobs = "FROM jobs WHERE id >= :first AND id < :last"
    queries = {
        "state": f"SELECT state, COUNT(*) {of_jobs} GROUP BY state",
        "code": f"SELECT error_code, COUNT(*) {of_jobs} AND state = 'failed' GROUP BY error_code",
        "flaw": "SELECT flaw, COUNT(*) FROM attempts WHERE job_id >= :first AND job_id < :last"
        " AND flaw IS NOT NULL GROUP BY flaw",
    }
    deltas = Deltas(0)
    for kind, query in queries.items():
        for key, n in connection.execute(text(query), {"first": first, "last": first + run.jobs}):
            deltas.add(run.run_id, kind, key, n)
    deltas.write(connection)
