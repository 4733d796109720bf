"""runner/db/schema.sql: the tables that the migrations make on SQLite, a statement a block."""

from __future__ import annotations

from sqlalchemy import text

from runner.db import migrate
from runner.db.session import Database


def sql() -> str:
    """Return the text of runner/db/schema.sql: the schema of an empty SQLite file after all migrations."""
    database = Database("sqlite:///:memory:")
    migrate.run_migrations(database)
    query = "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY type DESC, name"
    with database.read() as connection:
        made = connection.execute(text(query)).scalars().all()
    database.close()
    lines = ["-- Generated from the migrations (make docs): a new file is made by these, without Alembic."]
    return "\n\n".join([*lines, *(_trimmed(statement) for statement in made)]) + "\n"


def _trimmed(statement: str) -> str:
    return "\n".join(line.rstrip() for line in statement.splitlines() if line.strip())
