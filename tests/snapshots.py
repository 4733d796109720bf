"""Snapshots of runs for tests that have a database and no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.snapshot import Snapshot
from runner.db.runs import run_snapshot
from runner.db.runs.run_snapshot import Part

if TYPE_CHECKING:
    from runner.db.session import Database


def snapshot_of_run(database: Database, run_id: int, parts: Part = Part.ENDING) -> Snapshot:
    """Return a run as a command reads it while an engine is at work."""
    with database.read() as connection:
        stored = run_snapshot.read(connection, run_id, parts)
    assert stored is not None
    return Snapshot(stored=stored, is_engine_alive=True)
