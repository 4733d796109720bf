"""Group commit: rows share transactions, a bad one fails alone, an absent database is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from run_driver import RunDriver, accepted, new_run, received
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from runner.db.moves import job_moves, result_moves
from runner.engine.storing.group_commit import GroupCommit
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.session import Database


async def written(driver: RunDriver, rows: list[Any]) -> list[Any]:
    """Hand all rows over at once, as `accepted`; return what each got."""
    group_commit = GroupCommit(driver.database, asyncio.get_running_loop(), shard=1)
    try:
        with group_commit._condition:  # no flush begins before the last row is there
            writes = [
                asyncio.create_task(group_commit.write(job_moves.accepted, row.lease.job_id, row))
                for row in rows
            ]
            await asyncio.sleep(0)
        return await asyncio.gather(*writes, return_exceptions=True)
    finally:
        await asyncio.to_thread(group_commit.close)


def sent(driver: RunDriver, count: int) -> list[Any]:
    held = driver.lease(count)
    driver.send(*held)
    return [accepted(lease) for lease in held]


def commits(database: Database) -> list[int]:
    """Count the commits from here on, as the length of a list."""
    seen: list[int] = []
    event.listen(database.engine, "commit", lambda _: seen.append(1))
    return seen


def test_rows_share_transactions_and_are_durable_when_told(database: Database) -> None:
    """300 rows that wait at the same time take one commit; each learns whether its job moved."""
    driver = new_run(database, 300)
    rows = sent(driver, 300)
    driver.change(rows[0].lease.job_id, "lease_gen = lease_gen + 1")
    seen = commits(database)

    answers = asyncio.run(written(driver, rows))

    assert answers == [False] + [True] * 299
    assert len(seen) == 1
    assert driver.count("state", "waiting") == 299
    assert driver.count("attempts", "accepted") == 300


def test_one_bad_row_does_not_take_the_others(database: Database) -> None:
    """What the database or our own table refuses fails alone; its neighbours are written."""
    driver = new_run(database, 12)
    rows = sent(driver, 12)
    bad = object()

    def picky(connection: Connection, some: Sequence[Any], deltas: Deltas) -> set[int]:
        if bad in some:
            raise ValueError("bad")
        return job_moves.accepted(connection, some, deltas)

    async def work() -> list[Any]:
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        mixed = [*rows[:6], bad, *rows[6:]]
        writes = [group_commit.write(picky, getattr(r, "lease", rows[0].lease).job_id, r) for r in mixed]
        asked = group_commit.execute(lambda connection, _: connection.execute(text("SELECT 42")).scalar_one())
        try:
            return await asyncio.gather(*writes, asked, return_exceptions=True)
        finally:
            await asyncio.to_thread(group_commit.close)

    answers = asyncio.run(work())

    assert answers[:6] + answers[7:13] == [True] * 12
    assert isinstance(answers[6], ValueError)
    assert answers[13] == 42
    assert driver.count("state", "waiting") == 12


def test_a_failed_question_is_its_askers_alone(database: Database) -> None:
    """An error comes back to who asked; what it wrote before is undone."""
    driver = new_run(database, 1)

    def spoil(connection: Connection, deltas: Deltas) -> None:
        connection.execute(text("UPDATE jobs SET spent = 99"))
        deltas.add(driver.run_id, "attempts", "polls", 5)
        raise KeyError("asked")

    async def work() -> None:
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        with pytest.raises(KeyError):
            await group_commit.execute(spoil)
        assert await group_commit.execute(lambda _, __: "next") == "next"
        await asyncio.to_thread(group_commit.close)

    asyncio.run(work())

    assert driver.rows("SELECT spent FROM jobs") == [(0,)]
    assert driver.count("attempts", "polls") == 0


def test_while_the_database_is_away_rows_wait_and_are_written_then(database: Database) -> None:
    """Three failed tries, half of a transaction among them: nothing is lost, nothing counted twice."""
    driver = new_run(database, 20)
    rows = sent(driver, 20)
    failures = iter(range(3))

    def away(*_: Any) -> None:
        if next(failures, None) is not None:
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    event.listen(database.engine, "commit", away)
    answers = asyncio.run(written(driver, rows))

    assert next(failures, None) is None
    assert answers == [True] * 20
    assert driver.count("state", "waiting") == 20
    assert driver.count("attempts", "accepted") == 20


def test_a_server_that_cuts_the_connection_is_met_again(postgres_database: Database) -> None:
    """PostgreSQL ends our backend within the transaction: the next try goes through."""
    driver = new_run(postgres_database, 4)
    rows = sent(driver, 4)
    cut = threading.Event()

    def cutting(connection: Connection, some: Sequence[Any], deltas: Deltas) -> set[int]:
        moved = job_moves.accepted(connection, some, deltas)
        if not cut.is_set():
            cut.set()
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return moved

    async def work() -> list[bool]:
        group_commit = GroupCommit(postgres_database, asyncio.get_running_loop(), shard=1)
        try:
            return await asyncio.gather(*(group_commit.write(cutting, r.lease.job_id, r) for r in rows))
        finally:
            await asyncio.to_thread(group_commit.close)

    assert asyncio.run(work()) == [True] * 4
    assert driver.count("state", "waiting") == 4


def test_an_answer_and_its_state_are_written_together_or_not_at_all(database: Database) -> None:
    """The database goes away between the two and the commit: nobody sees the one without the other."""
    driver = new_run(database, 1)
    lease = driver.bring(JobState.COLLECTING)
    tries: list[int] = []

    def storing(connection: Connection, some: Sequence[Any], deltas: Deltas) -> set[int]:
        moved = result_moves.stored(connection, some, deltas)
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("struck", {}, Exception("server closed the connection"))
        return moved

    async def work() -> bool:
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        try:
            return await group_commit.write(storing, lease.job_id, received(lease.job_id, lease.attempt))
        finally:
            await asyncio.to_thread(group_commit.close)

    assert asyncio.run(work()) is True  # what was not committed was not there: it moved at the second try
    assert driver.count("state", "stored") == 1
    assert driver.rows("SELECT COUNT(*) AS n FROM results")[0].n == 1


@pytest.mark.parametrize("trouble", ["statement_timeout", "deadlock"])
def test_a_statement_that_is_cancelled_is_repeated(postgres_database: Database, trouble: str) -> None:
    """By its time limit, or to end a deadlock with another session: nothing is half done, nothing twice."""
    driver = new_run(postgres_database, 6)
    rows = sent(driver, 6)
    first, second = rows[0].lease.job_id, rows[-1].lease.job_id
    tries: list[int] = []
    other = postgres_database.engine.connect()
    other.execute(text("SET statement_timeout = 0"))
    other.execute(text("SET deadlock_timeout = '50ms'"))
    other.execute(text(f"UPDATE jobs SET misses = misses WHERE id = {second}"))

    def wait_for_it() -> None:
        with contextlib.suppress(OperationalError):  # either of the two is chosen to end the deadlock
            other.execute(text(f"UPDATE jobs SET misses = misses WHERE id = {first}"))
        other.rollback()

    def crossing(connection: Connection, some: Sequence[Any], deltas: Deltas) -> set[int]:
        tries.append(1)
        if trouble == "deadlock":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            connection.execute(text(f"UPDATE jobs SET misses = misses WHERE id = {first}"))
            if len(tries) == 1:
                threading.Thread(target=wait_for_it).start()
        elif len(tries) < 3:
            connection.execute(text("SET LOCAL statement_timeout = '100ms'"))
        else:
            other.rollback()
        return job_moves.accepted(connection, some, deltas)

    async def work() -> list[bool]:
        group_commit = GroupCommit(postgres_database, asyncio.get_running_loop(), shard=1)
        try:
            return await asyncio.gather(*(group_commit.write(crossing, r.lease.job_id, r) for r in rows))
        finally:
            await asyncio.to_thread(group_commit.close)

    assert asyncio.run(work()) == [True] * 6
    assert len(tries) >= 3 or trouble == "deadlock"
    assert driver.count("state", "waiting") == driver.count("attempts", "accepted") == 6
    other.close()


def test_closing_writes_what_is_at_hand(database: Database) -> None:
    """A process that leaves in good order leaves nothing unwritten."""
    driver = new_run(database, 1)
    (row,) = sent(driver, 1)

    async def work() -> bool:
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        task = asyncio.create_task(group_commit.write(job_moves.accepted, row.lease.job_id, row))
        await asyncio.sleep(0)
        await asyncio.to_thread(group_commit.close)
        return await task

    assert asyncio.run(work())
    assert driver.state(row.lease.job_id) is JobState.WAITING


def test_statements_do_not_block_the_event_loop(database: Database) -> None:
    """They run on the thread of the group commit, on both databases."""

    async def work() -> tuple[int, int]:
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        try:
            return threading.get_ident(), await group_commit.execute(lambda _, __: threading.get_ident())
        finally:
            await asyncio.to_thread(group_commit.close)

    loops, statements = asyncio.run(work())

    assert statements != loops
