"""A file of SQLite that was removed or replaced is not written to, and no empty one takes its place."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from runner.db import migrate
from runner.db.connection import driver_errors
from runner.db.session import Database
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_removed_file_is_not_made_again(tmp_path: Path) -> None:
    """Every later transaction fails with the sentence, whichever connection of the pool it gets."""
    path = tmp_path / "runner.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        migrate.upgrade(database, None)
        database.check_file()
        path.unlink()

        for _ in range(3):
            with pytest.raises(OperationalError) as raised, database.write():
                pass
            assert driver_errors.is_file_gone(raised.value)
            assert driver_errors.is_unavailable(raised.value)
        with pytest.raises(Unreachable, match="was removed or replaced while it was in use"):
            database.check()
        with pytest.raises(Unreachable, match="was removed or replaced while it was in use"):
            database.check_file()
        assert not path.exists()


def test_a_replaced_file_is_another_one(tmp_path: Path) -> None:
    """What the workers hold belongs to the old one. A new command takes what is there."""
    path = tmp_path / "runner.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        migrate.upgrade(database, None)
        shutil.copy(path, tmp_path / "copy")
        (tmp_path / "copy").replace(path)

        with pytest.raises(OperationalError), database.read():
            pass
        with closing(Database(f"sqlite:///{path}")) as another:
            another.check()
