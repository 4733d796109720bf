"""Read the present state of a run: one transaction, one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.snapshot import Snapshot
from runner.db import run_snapshot
from runner.db.run_snapshot import Part
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import Bug

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.settings import Settings


def read_snapshot(
    settings: Settings, database: Database, run_id: int, parts: Part = Part.NUMBERS
) -> Snapshot:
    """Read a run in a transaction of its own; the default are its numbers only."""
    with database.read() as connection:
        return snapshot_of(settings, connection, run_id, parts)


def snapshot_of(
    settings: Settings, connection: Connection, run_id: int, parts: Part = Part.NUMBERS
) -> Snapshot:
    """Read a run in the transaction of a connection."""
    is_engine_alive = _is_engine_alive(settings)
    stored = run_snapshot.read(connection, run_id, parts)
    if stored is None:
        raise Bug(f"run {run_id} is gone")
    return Snapshot(stored=stored, is_engine_alive=is_engine_alive)


def snapshots_of_all(settings: Settings, connection: Connection, now_ms: int) -> list[Snapshot]:
    """Read the numbers of every run in the transaction of a connection, newest first."""
    is_engine_alive = _is_engine_alive(settings)
    return [
        Snapshot(stored=stored, is_engine_alive=is_engine_alive)
        for stored in run_snapshot.read_all(connection, now_ms)
    ]


def _is_engine_alive(settings: Settings) -> bool | None:
    """Return whether the state folder has an engine, also one that starts or ends; None with shared servers.

    It is asked before the database is: an engine that ends in between has finished what it had to.
    """
    return StateFolder(settings.home).has_engine() if settings.embedded else None
