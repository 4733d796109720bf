"""The migrations, the tables and schema.sql agree; that schema.sql is current is seen in test_generated."""

from collections.abc import Callable
from pathlib import Path

import pytest
from schema_facts import differences

from runner.db import migrate
from runner.db.session import Database


@pytest.mark.parametrize("made_by", [lambda new: migrate.upgrade(new, None), migrate.run_migrations])
def test_what_is_made_is_what_the_tables_say(tmp_path: Path, made_by: Callable[[Database], object]) -> None:
    """As `alembic check`: a change of the tables needs its migration. A new file is made without Alembic."""
    database = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    made_by(database)

    assert migrate.revision(database) == migrate.HEAD
    assert differences(database) == []
    database.close()
