"""The workers on record, what each has in flight, and which are told to drain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner import __version__
from runner.db.workers import fleet, workers
from runner.db.workers.workers import ALIVE_MS
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database


def register(database: Database, *nodes: str, host: str = "h") -> list[int]:
    with database.write() as connection:
        return [
            workers.register(connection, host=host, node=node, pid=pid, now_ms=NOW_MS)
            for pid, node in enumerate(nodes, 100)
        ]


def test_each_worker_has_what_it_sends_and_fetches(database: Database) -> None:
    """Waiting and pending jobs are in flight at no worker."""
    first, second = register(database, "w1", "w2")
    driver = new_run(database, 6)
    for state in (JobState.SUBMITTING, JobState.COLLECTING, JobState.WAITING, JobState.SUCCEEDED):
        lease = driver.bring(state)
        driver.change(lease.job_id, f"lease_owner = {first}")
    with database.read() as connection:
        found = {row.id: (row.node, row.in_flight, row.version) for row in fleet.workers(connection)}
        out = fleet.count_outstanding(connection)

    assert found == {first: ("w1", 2, __version__), second: ("w2", 0, __version__)}
    assert out == 2


def test_a_worker_learns_by_its_heartbeat_that_it_is_to_drain(database: Database) -> None:
    """It is told once; one that has ended is not told."""
    first, second, ended = register(database, "w1", "w2", "w3")
    with database.write() as connection:
        workers.record_end(connection, ended, NOW_MS)
        assert fleet.drain(connection, [first, ended], NOW_MS + 1) == [first]
        assert fleet.drain(connection, [first], NOW_MS + 2) == []
        assert fleet.drain(connection, [], NOW_MS) == []
        learned = [workers.record_heartbeat(connection, worker, NOW_MS + 3) for worker in (first, second)]
        assert workers.record_heartbeat(connection, 999, NOW_MS) is False
        others = [fleet.count_not_draining(connection, NOW_MS + ms) for ms in (3, 3 + ALIVE_MS, 4 + ALIVE_MS)]

    assert learned == [True, False]
    assert others == [1, 1, 0]


def test_a_process_that_was_drained_is_known_by_host_and_pid(database: Database) -> None:
    """A later worker with the same pid is another one, as one on another host is."""
    (first,) = register(database, "w1")
    register(database, "w1", host="other")
    with database.write() as connection:
        fleet.drain(connection, [first], NOW_MS)
        assert fleet.is_drained(connection, "h", 100)
        assert not fleet.is_drained(connection, "other", 100)
        assert not fleet.is_drained(connection, "h", 7)
    register(database, "w1")
    with database.read() as connection:
        assert not fleet.is_drained(connection, "h", 100)


def test_a_worker_of_an_older_version_registers_and_lives(database: Database) -> None:
    """It names neither column, and has no version to show."""
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO workers (host, node, pid, started_at_ms, seen_at_ms)"
                " VALUES ('h', 'old', 1, :now, :now)"
            ),
            {"now": NOW_MS},
        )
        (row,) = fleet.workers(connection)

    assert (row.version, row.draining_at_ms, row.in_flight) == (None, None, 0)
