"""A new SQLite file that two processes create at the same time, as a command and the engine may do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Timer
from typing import TYPE_CHECKING

from sqlalchemy import text

from runner.db.session import Database

if TYPE_CHECKING:
    from pathlib import Path


def test_a_connect_waits_for_another_process_that_creates_the_file(tmp_path: Path) -> None:
    """SQLite itself does not wait there: a transaction that has read cannot go on to write."""
    file = tmp_path / "runner.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE first (id INTEGER)")
        end = Timer(0.2, other.execute, ["COMMIT"])
        end.start()
        database = Database(f"sqlite:///{file}")
        with database.read() as connection:
            found = connection.execute(text("SELECT name FROM sqlite_master")).scalar_one()
            mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        end.join()
        database.close()

    assert (found, mode) == ("first", "wal")
