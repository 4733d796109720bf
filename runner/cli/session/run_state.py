"""Read the present state of a run: its snapshot, summary, and the object of `status` and `watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli.render.live_object import live_object
from runner.cli.session.fleet import count_live_workers
from runner.cli.snapshot import FETCHABLE_MS, Snapshot
from runner.db import counters, job_history, runs
from runner.output.file_owner import files_written, run_tag
from runner.output.files import paths
from runner.output.write import run_summary
from runner.rules.errors import Bug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.session import Database


def read_snapshot(database: Database, run_id: int) -> Snapshot:
    """Read a run's numbers in a transaction of its own."""
    with database.read() as connection:
        return snapshot_of(connection, run_id, database.now_ms())


def snapshot_of(connection: Connection, run_id: int, now_ms: int) -> Snapshot:
    """Read a run's numbers on a connection."""
    run = runs.find(connection, run_id)
    if run is None:
        raise Bug(f"run {run_id} is gone")
    return Snapshot(as_of_ms=now_ms, run=run, counts=counters.read(connection, run_id))


def oldest_out_ms(database: Database, run_id: int) -> int | None:
    """Return when the oldest outstanding answer was accepted; None if there is none."""
    with database.read() as connection:
        return job_history.oldest_in_flight_ms(connection, run_id)


def fetchable_until_ms(database: Database, run_id: int) -> int | None:
    """Return until when the oldest outstanding answer can be fetched; None if there is none."""
    accepted_ms = oldest_out_ms(database, run_id)
    return None if accepted_ms is None else accepted_ms + FETCHABLE_MS


def read_summary(database: Database, snapshot: Snapshot) -> dict[str, Any]:
    """Return the run's summary; its `files` are those on disk that this run wrote."""
    files: Mapping[str, Any] = {}
    if snapshot.run.output_path:
        files = files_written(paths(Path(snapshot.run.output_path)), run_tag(snapshot.run))
    with database.read() as connection:
        return run_summary(connection, snapshot.run, snapshot.counts, files)


def read_live_object(
    database: Database, snapshot: Snapshot, eta_s: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Return the object that `status` and `watch` print; `eta_s`: seconds to go, from and to."""
    with database.read() as connection:
        summary = run_summary(connection, snapshot.run, snapshot.counts, {})
    return live_object(
        summary,
        snapshot,
        until_ms=fetchable_until_ms(database, snapshot.run.id) if snapshot.outstanding else None,
        workers=None if database.is_sqlite else count_live_workers(database),
        eta_s=eta_s,
    )
