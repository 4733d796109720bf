"""The migrations and the tables agree."""

from pathlib import Path

from runner.db import migrate
from runner.db.session import Database


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    """As `alembic check`: a change of the tables needs its migration."""
    database = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    migrate.upgrade(database, None)

    assert migrate.check(database) == []
    database.close()
