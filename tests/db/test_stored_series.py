"""The table of the series: filled for runs from before, as small as promised, and found by its key."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice, product
from typing import TYPE_CHECKING, Final

import pytest
from alembic import command
from query_plans import asked, work
from run_driver import COST, NOW_MS, RunDriver, new_run, received, requeue_row, settled
from sqlalchemy import text

from runner.db import bulk, migrate
from runner.db.counts import counters, daily_costs, run_series
from runner.db.moves import job_moves, result_moves
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from runner.db.answers.results import Received
    from runner.db.counts.counters import Deltas
    from runner.db.moves.outcomes import Settled
    from runner.db.session import Database

S = JobState
BEFORE: Final = "0008"  # the revision before the table
DAY_MS: Final = 86_400_000
# Of a bucket, by what it has: its row on SQLite, that with its share of pages, and both on PostgreSQL.
BYTES_MAX: Final = {10: (60, 75, 240), 1_200: (72, 90, 240)}


def travel(database: Database, to: str) -> None:
    """Bring the schema to a revision."""
    config = migrate._config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if to == "head" else command.downgrade)(config, to)


def totals(driver: RunDriver) -> dict[str, int]:
    """Return the sums over all buckets, by column."""
    each = ", ".join(f"COALESCE(SUM({name}), 0) AS {name}" for name in run_series.COLUMNS)
    (row,) = driver.rows(f"SELECT {each} FROM run_series WHERE run_id = :run", run=driver.run_id)
    return {name: int(n) for name, n in row._mapping.items()}


def _settle(pair: tuple[Received, Settled], connection: Connection, deltas: Deltas) -> None:
    result_moves.stored_and_settled(connection, [pair], deltas)


def used_run(database: Database, identity: str) -> RunDriver:
    """Return a run in the middle: answers on two days by two models, and one job in each other state."""
    driver = new_run(database, 12, identity=identity)
    for n, days in enumerate((0, 0, 20, 20)):
        lease = driver.bring(S.COLLECTING)
        cost = replace(
            COST, model=f"grok-{n % 2}", ticks=10**n, ticks_source=("reported", "estimated")[n % 2]
        )
        row = settled(lease.job_id, lease.attempt, Event.SUCCEEDED, S.SUCCEEDED, cost)
        at_ms = NOW_MS + 1_001 + days * DAY_MS  # the attempt was accepted at NOW_MS + 1
        row = replace(row, at_ms=at_ms, latency_ms=at_ms - NOW_MS - 1)
        pair = (received(lease.job_id, lease.attempt), row)
        driver.in_transaction(partial(_settle, pair))
    driver.apply(job_moves.refused_for_now, requeue_row(driver.bring(S.SUBMITTING), S.PENDING))
    driver.apply(job_moves.not_sent, requeue_row(driver.bring(S.SUBMITTING), S.PENDING))
    driver.apply(job_moves.lost, requeue_row(driver.bring(S.COLLECTING), S.HELD, 90))
    for state in (S.FAILED, S.CANCELLED, S.COLLECTING, S.WAITING, S.SUBMITTING):
        driver.bring(state)
    return driver


def test_runs_from_before_are_filled_once(database: Database) -> None:
    """Sums are the counters, also of what is open; known costs have their day and model."""
    used, other = used_run(database, "a"), used_run(database, "b")
    unused = new_run(database, 1, identity="c")
    before = totals(used)
    with database.read() as connection:
        costs = daily_costs.read(connection, None)
    counted = used.counts()

    travel(database, BEFORE)
    assert ("attempts", "sent") not in used.counts()
    travel(database, "head")

    assert totals(used) == totals(other) == before
    assert used.counts() == counted
    assert not any(totals(unused).values())
    with database.write() as connection:
        assert daily_costs.read(connection, None) == costs
        assert [counters.recount(connection, run.run_id) for run in (used, other)] == [False, False]
    driver = used
    driver.apply(job_moves.refused, requeue_row(driver.bring(S.SUBMITTING), S.FAILED))
    assert totals(driver)["failed"] == before["failed"] + 1


def test_old_buckets_have_the_width_of_their_age(database: Database) -> None:
    """As if they had been written at the time."""
    driver = used_run(database, "a")
    travel(database, BEFORE)
    travel(database, "head")

    rows = driver.rows("SELECT at_ms, width_s FROM run_series WHERE priced > 0 ORDER BY at_ms")
    assert {(row.at_ms, row.width_s) for row in rows} == {
        (NOW_MS, 10),
        (NOW_MS + 20 * DAY_MS, 600),
    }


@pytest.fixture
def month(database: Database) -> RunDriver:
    """Return a run of 30 days by many workers: 5,256 buckets a shard, of jobs of about 1,700 tokens."""
    driver = new_run(database, 1)
    shards = range(1 if database.is_sqlite else run_series.SHARDS)
    write_buckets(driver, ((at, width, shard, 2 * width) for (at, width), shard in product(_times(), shards)))
    return driver


def write_buckets(driver: RunDriver, rows: Iterable[tuple[int, int, int, int]]) -> None:
    """Replace all buckets; `rows` are their begin, width, shard and number of jobs."""
    with driver.database.write() as connection:
        connection.execute(text("DELETE FROM run_series"))
        bulk.execute(
            connection,
            [("at", "BIGINT"), ("width", "INT"), ("shard", "INT"), ("n", "BIGINT")],
            list(rows),
            f"INSERT INTO run_series (run_id, at_ms, model, shard, width_s, {', '.join(run_series.COLUMNS)})"
            f" SELECT {driver.run_id}, at, 'grok-4-0709', shard, width, n, 0, 3 * n, n, 0, n, 900 * n, 0,"
            " 300 * n, 500 * n, 1700 * n, 147000003 * n, 0, 0, 9001 * n FROM v WHERE at IS NOT NULL",
        )


def _times() -> Iterator[tuple[int, int]]:
    """Yield the begin and the width of each bucket, as they come in 30 days."""
    age_s = 0
    while age_s < 30 * 86_400:
        width = 10 if age_s < 3_600 else 60 if age_s < 12 * 3_600 else 600
        yield NOW_MS + age_s * 1_000, width
        age_s += width


@pytest.mark.parametrize("jobs", BYTES_MAX)
def test_a_bucket_is_small(database: Database, jobs: int) -> None:
    """A row with few jobs and one with many; and with its share of the pages and the key."""
    driver = new_run(database, 1)
    write_buckets(
        driver, ((NOW_MS + 600_000 * n, 600, shard, jobs) for n in range(2_000) for shard in (0, 1))
    )
    query = "SELECT SUM(payload) AS row, SUM(pgsize) AS page FROM dbstat WHERE name = 'run_series'"
    if not database.is_sqlite:
        query = "SELECT 0 AS row, pg_total_relation_size('run_series') AS page"

    (found,) = driver.rows(query)

    of_row, of_page, on_postgres = BYTES_MAX[jobs]
    assert found.row / 4_000 <= of_row
    assert found.page / 4_000 <= (of_page if database.is_sqlite else on_postgres)


def test_reading_goes_by_the_key(database: Database, month: RunDriver) -> None:
    """The rate reads its buckets alone; the costs of one run read no other run's."""
    other = new_run(database, 1, identity="other")
    last_ms = max(at for at, _ in islice(_times(), 10**6))

    with asked(database) as statements, database.read() as connection:
        run_series.ended_since(connection, month.run_id, last_ms - 1_800_000)
        run_series.ended_since(connection, other.run_id, 0)
        daily_costs.read(connection, other.run_id)
    lately, of_other, known, _ = statements

    with database.read() as connection:
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        for statement in (lately, of_other, known):
            plan = " ".join(
                str(row) for row in connection.exec_driver_sql(f"{explain} {statement[0]}", statement[1])
            )
            assert "PRIMARY KEY" in plan if database.is_sqlite else "pk_run_series" in plan, plan
        works = [work(connection, statement) for statement in (lately, of_other, known)]
    assert max(works) < (2_000 if database.is_sqlite else 50), works
