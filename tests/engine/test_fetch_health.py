"""What the fetches of several workers say of a run: its flag follows whoever wrote last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import new_run

from runner.db.counts.counters import FETCH_REFUSED, Deltas, set_fetch_refused
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from run_driver import RunDriver
    from runtimes import OpenedWorker

    from runner.db.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def driver(database: Database, worker: OpenedWorker) -> RunDriver:
    """Load a run that the worker has read."""
    loaded = new_run(database, 1)
    worker.read_runs()
    return loaded


def is_refused(driver: RunDriver) -> bool:
    return driver.count(*FETCH_REFUSED) > 0


def test_a_flag_that_another_worker_cleared_is_set_again(driver: RunDriver, worker: OpenedWorker) -> None:
    """One worker's fetches are refused, another's are not, and then they are refused again."""
    one, other = worker.fetch_health(), worker.fetch_health()
    for health, value in ((one, True), (other, False), (one, True)):
        worker.run(health.set_refused(driver.run_id, is_refused=value))
        assert is_refused(driver) is value
        worker.read_runs()


def test_a_flag_is_written_only_when_it_changes(
    driver: RunDriver, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer calls this: a write for each would double the work of the database."""
    health, writes = worker.fetch_health(), list[object]()
    execute = worker.runtime.group_commit.execute

    async def counted(function: object) -> object:
        writes.append(function)
        return await execute(function)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.runtime.group_commit, "execute", counted)
    for value in (False, True, True, False, False):
        worker.run(health.set_refused(driver.run_id, is_refused=value))
    assert len(writes) == 2


def test_a_warning_is_written_once(driver: RunDriver, worker: OpenedWorker, database: Database) -> None:
    """By one worker; its row is not even looked for again."""
    health = worker.fetch_health()
    worker.run(health.warn_once(driver.run_id, "another server replies"))
    (row,) = driver.rows(
        "SELECT kind FROM run_events WHERE run_id = :id AND kind = :kind",
        id=driver.run_id,
        kind=EventKind.WARNING,
    )
    assert row.kind == EventKind.WARNING
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM run_events")
    worker.run(health.warn_once(driver.run_id, "another server replies"))
    assert not driver.rows("SELECT * FROM run_events")


def test_many_refusals_in_one_transaction_set_the_flag_once(driver: RunDriver) -> None:
    """Many fetches are refused at the same time; the last of them says what is so."""
    for values in ((True, True), (True, True, True), (False, True), (True, False)):
        with driver.database.write() as connection:
            deltas = Deltas(0)
            for value in values:
                set_fetch_refused(connection, deltas, driver.run_id, is_refused=value)
            deltas.write(connection)
        assert driver.count(*FETCH_REFUSED) == values[-1]
