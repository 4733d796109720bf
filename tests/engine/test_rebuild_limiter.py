"""What the limiter starts from when Redis was emptied: the recent attempts on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import RunDriver, new_run
from runtimes import opened_worker

from runner.db.workers import workers
from runner.engine.limits import rebuild_limiter
from runner.engine.limits.rebuild_limiter import RecentSends
from runner.limiter.limiter import LimiterUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtimes import OpenedWorker
    from valkey_server import ValkeyServer

    from runner.db.session import Database
    from runner.db.workers.recent_sends import RecentSend


@pytest.fixture
def worker(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer
) -> Iterator[OpenedWorker]:
    """Open a worker whose team is known."""
    with opened_worker(database, database_url, tmp_path, RUNNER_REDIS_URL=server.url) as opened:
        opened.set_team("team")
        yield opened


def recent_sends(worker: OpenedWorker) -> RecentSends:
    return RecentSends(
        database=worker.runtime.database,
        now_ms=worker.now_ms,
        worker=worker.runtime.worker,
        team=worker.shared.team,
        bucket=worker.shared.buckets.name,
    )


def test_recent_attempts_count_in_their_buckets(database: Database, worker: OpenedWorker) -> None:
    """Each with its age since its reply, and its tokens."""
    driver = RunDriver(database, new_run(database, 3).run_id, worker.runtime.worker)
    (lease,) = driver.lease()
    driver.send(lease, now_ms=worker.now_ms() - 5_000)

    ((bucket, entries),) = worker.run(recent_sends(worker).read()).items()
    assert bucket == "team:grok-4.3"
    ((age_us, tokens),) = entries
    assert age_us == 0  # its age counts from a reply, and none came
    assert tokens > 0


def test_a_send_counts_in_the_bucket_of_its_run_as_well(database: Database, worker: OpenedWorker) -> None:
    """If that had a slot for it: the name of the slot says so."""
    driver = RunDriver(database, new_run(database, 3).run_id, worker.runtime.worker)
    driver.send(*driver.lease(2), now_ms=worker.now_ms() - 5_000)
    with database.write() as connection:
        first = "(SELECT MIN(job_id) FROM attempts)"
        connection.exec_driver_sql(
            f"UPDATE attempts SET slot = 'p-1:1@{driver.run_id}:70' WHERE job_id = {first}"
        )
    entries = worker.run(recent_sends(worker).read())
    assert entries[driver.run_id] == [(0, 70)]
    assert len(entries["team:grok-4.3"]) == 2


def test_slots_of_other_workers_are_waited_for(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may use them within a moment; the second read has these attempts."""
    monkeypatch.setattr(rebuild_limiter, "HORIZON_S", 0.0)
    with database.write() as connection:
        workers.register(connection, host="h", node="other", pid=1, now_ms=worker.now_ms())
    driver = new_run(database, 3)
    first, second = driver.lease(2)
    driver.send(first, now_ms=worker.now_ms())
    reads = []
    rows = RecentSends._rows

    def reading(self: RecentSends) -> tuple[list[RecentSend], bool]:
        found = rows(self)
        reads.append(len(found[0]))
        if len(reads) == 1:
            driver.send(second, now_ms=worker.now_ms())
        return found

    monkeypatch.setattr(RecentSends, "_rows", reading)
    (entries,) = worker.run(recent_sends(worker).read()).values()
    assert reads == [1, 2]
    assert len(entries) == 2


def test_without_the_database_nothing_is_granted(database: Database, worker: OpenedWorker) -> None:
    """Slots without what was sent before would overrun the limit."""
    sends = recent_sends(worker)
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts RENAME TO attempts_gone")
    with pytest.raises(LimiterUnavailable) as failed:
        worker.run(sends.read())
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts_gone RENAME TO attempts")
    assert failed.value.what.startswith(
        "Redis was emptied, and cannot be filled again without the database: "
    )
    assert failed.value.fix == "start the database; runner doctor shows what is wrong with it"
    assert "sqlalche.me" not in failed.value.what
