"""The SQL of the guarded UPDATEs moves what the transition table says, and finds it by the right index."""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING, Final

import pytest
from pasteable_sql import pasteable
from run_driver import NOW_MS, WORKER, new_run
from sqlalchemy import text

from runner.db import bulk, statements
from runner.db.counts import run_series, uncertain_costs
from runner.db.counts.counters import Deltas
from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.db.moves import attempts, guarded_update, user_moves
from runner.db.moves.guarded_update import GuardedUpdate, MoveRow
from runner.db.workers import leases
from runner.rules.errors import Bug
from runner.rules.sending.failure_pause import INVALID
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.session import Database
    from runner.db.statements import Statement

Move = tuple[JobState, JobState]  # from, to
CLAIM, LEASE = leases._CLAIM, leases._LEASE
UPDATES: Final = {
    of.statement.name: of for of in vars(guarded_update).values() if isinstance(of, GuardedUpdate)
}
OF_JOBS: Final = [*(update.statement for update in UPDATES.values()), leases._RELEASE]
OF_ATTEMPTS: Final = [
    *(attempts._ACCEPTED, attempts._ENDED, attempts._SETTLED, attempts._PRICED),
    *(uncertain_costs._RESTATED, user_moves._ABANDONED),
]
# A pending job that gets another model stays pending, and its lease is void.
BESIDE_THE_TABLE: Final[dict[str, set[Move]]] = {"retry": {(JobState.PENDING, JobState.PENDING)}}
BY_KEY: Final = {  # in a plan, by table and whether it is of SQLite
    ("jobs", True): "SEARCH jobs USING INTEGER PRIMARY KEY",
    ("jobs", False): "using pk_jobs on jobs",
    ("attempts", True): "INDEX sqlite_autoindex_attempts_1 (job_id=? AND attempt=?)",
    ("attempts", False): "using pk_attempts on attempts",
}
JOBS: Final = 300  # in the table: PostgreSQL has no statistics of it, as in the first minute of a run

by_name = pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)


def test_an_event_of_another_update_is_a_bug(database: Database) -> None:
    """It may lead to the same state, and would be counted as what it is not."""
    with database.write() as connection, pytest.raises(Bug):
        guarded_update.LOST.run(
            connection, Event.NOT_SENT, [MoveRow(id=1, target=JobState.PENDING)], Deltas(0)
        )


@by_name
def test_a_guarded_update_moves_what_the_table_says(database: Database, update: GuardedUpdate) -> None:
    """Each is tried on a job of every state and to every state, past the check that is made in Python."""
    driver = new_run(database, len(JobState))
    jobs = {state: driver.row(driver.bring(state).job_id) for state in JobState}

    moves = {move for state in JobState for move in tried(database, update, jobs[state])}

    assert moves == expected(update) | BESIDE_THE_TABLE.get(update.statement.name, set())


@by_name
def test_a_guarded_update_is_fenced_where_the_table_says(database: Database, update: GuardedUpdate) -> None:
    """Every statement of a fenced event; and a fenced one moves nothing under another lease."""
    driver = new_run(database, len(JobState))
    jobs = [driver.row(driver.bring(state).job_id) for state in JobState]

    is_fenced = "gen" in dict(update.statement.columns)

    assert is_fenced or not any(TRANSITIONS[event].fenced for event in update.events)
    if is_fenced:
        assert not [move for job in jobs for move in tried(database, update, job, gen=job.lease_gen - 1)]


@pytest.mark.parametrize("event", sorted(set(Event) - {Event.CLAIM}))
def test_an_event_has_updates_from_all_its_sources(event: Event) -> None:
    """Without those that move jobs by two events at once."""
    updates = [update for update in UPDATES.values() if event in update.events and not update.via]
    beside = {source for u in updates for source, _ in BESIDE_THE_TABLE.get(u.statement.name, ())}

    assert {source for u in updates for source in u.sources} == TRANSITIONS[event].sources | beside


def test_a_job_is_claimed_from_waiting_alone(database: Database) -> None:
    """The claim chooses its jobs by itself."""
    driver = new_run(database, len(JobState))
    jobs = {state: driver.bring(state).job_id for state in JobState}
    before = {state: driver.row(job) for state, job in jobs.items()}
    driver.change(jobs[JobState.WAITING], f"due_at_ms = {NOW_MS}")

    (claimed,) = driver.claim(len(JobState))

    assert claimed.lease.job_id == jobs[JobState.WAITING]
    assert (driver.state(claimed.lease.job_id),) == tuple(TRANSITIONS[Event.CLAIM].targets)
    assert TRANSITIONS[Event.CLAIM].sources == {JobState.WAITING}
    del jobs[JobState.WAITING]
    assert [driver.row(job) for job in jobs.values()] == [before[state] for state in jobs]


@pytest.mark.parametrize("statement", OF_JOBS + OF_ATTEMPTS, ids=lambda statement: statement.name)
def test_the_columns_of_the_rows_are_those_that_are_used(statement: Statement) -> None:
    """A value that no statement names would be bound for nothing."""
    assert [name for name, _ in statement.columns] == list(dict(statement.columns))
    assert set(dict(statement.columns)) == set(re.findall(r"\bv\.(\w+)", statement.sql))


@by_name
def test_a_row_has_a_value_for_each_column(update: GuardedUpdate) -> None:
    """They are bound by name."""
    assert set(dict(update.statement.columns)) <= {field.name for field in fields(MoveRow)}


def test_every_file_is_a_statement_that_is_run() -> None:
    """None is forgotten in the folder, or in these tests."""
    files = {path.stem for path in statements.FOLDER.glob("*.sql")}

    assert files == {
        statement.name for statement in (*OF_JOBS, *OF_ATTEMPTS, CLAIM, LEASE, run_series._ADDED)
    }


@pytest.mark.parametrize("statement", OF_JOBS + OF_ATTEMPTS, ids=lambda statement: statement.name)
def test_rows_are_found_by_their_keys(database: Database, statement: Statement) -> None:
    """Not by a partial index of a state, which would be read whole for every few rows."""
    new_run(database, JOBS)
    with database.write() as connection:
        rows = [[number if kind != "TEXT" else "x" for _, kind in statement.columns] for number in range(60)]
        sql = bulk.with_table(connection, statement.columns, rows, statement.sql)

        found = plan(connection, *sql)

    table = "attempts" if statement in OF_ATTEMPTS else "jobs"
    assert_by_index(found, BY_KEY[table, database.is_sqlite], pasteable(connection.dialect.name, *sql))


@pytest.mark.parametrize(
    ("statement", "index"),
    [(LEASE, "ix_jobs_pending"), (CLAIM, "ix_jobs_waiting")],
    ids=lambda of: str(of)[:9],
)
def test_jobs_are_chosen_by_the_index_of_their_state(
    database: Database, statement: Statement, index: str
) -> None:
    """In the order of the index, so that the first ones are found without looking at the others."""
    driver = new_run(database, JOBS)
    values: dict[str, int | None] = {
        "run": driver.run_id,
        "last": job_id(driver.run_id, JOBS_MAX),
        "extras_max": 9,
        "rows": 20,
    }
    values |= {"worker": WORKER, "now": NOW_MS, "until": NOW_MS + 1, "accepted_before": None}
    parts = {"skip_locked": "", "without_runs": leases.not_of([driver.run_id + 1])}
    with database.write() as connection:
        parts["skip_locked"] = statements.skip_locked(connection)
        query = text(statement.sql.format(**parts))
        names = set(query._bindparams)
        sql = query.bindparams(**{name: value for name, value in values.items() if name in names})
        shown = str(sql.compile(database.engine, compile_kwargs={"literal_binds": True}))

        found = plan(connection, shown, None)

    assert_by_index(found, index, shown)
    assert "B-TREE FOR ORDER BY" not in found
    assert "Sort" not in found


def tried(
    database: Database, update: GuardedUpdate, job: Row[tuple[object, ...]], gen: int | None = None
) -> Iterator[Move]:
    """Yield how an UPDATE moves a job; nothing stays."""
    source = JobState(job.state)
    has_target = "target" in dict(update.statement.columns)
    for target in JobState if has_target else sorted(TRANSITIONS[min(update.events)].targets):
        row = MoveRow(
            job.id,
            target,
            gen=job.lease_gen if gen is None else gen,
            finished_at_ms=NOW_MS if target in FINAL else None,
            request_id="id",
            answered_by=job.answered_by or job.attempt,
        )
        row.source = source
        with database.engine.connect() as connection:
            code = INVALID if source is JobState.FAILED else job.error_code
            connection.execute(
                text("UPDATE jobs SET error_code = :code WHERE id = :id"), {"code": code, "id": job.id}
            )
            for moved in update.statement.with_rows(connection, [update.values(row)]):
                yield source, JobState(moved.state)
            connection.rollback()


def expected(update: GuardedUpdate) -> set[Move]:
    """Return how an UPDATE is to move jobs, by the transition table."""
    moves: set[Move] = set()
    for event in update.events:
        sources = TRANSITIONS[update.via or event].sources & set(update.sources)
        moves |= set(product(sources, TRANSITIONS[event].targets))
    return moves


def plan(connection: Connection, statement: str, parameters: Sequence[object] | None) -> str:
    """Return how the database would execute a statement."""
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    found = connection.exec_driver_sql(f"{explain} {statement}", tuple(parameters) if parameters else None)
    return "\n".join(str(row[-1]) for row in found)


def assert_by_index(found: str, index: str, shown: str) -> None:
    """Assert that a plan reads its table by this index alone."""
    assert index in found, f"{shown}\n\n{found}"
    for other in ("SCAN jobs", "SCAN attempts", "Seq Scan on jobs", "Seq Scan on attempts", "ix_"):
        assert other not in found.replace(index, ""), f"{shown}\n\n{found}"
