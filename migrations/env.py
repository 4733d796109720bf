"""Alembic's environment: it uses the connection that it is given, else the database of the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import context

from runner import settings
from runner.db.session import Database
from runner.db.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,  # on SQLite too, as Database sends BEGIN itself
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    )
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    _migrate(handed)
else:
    database = Database(settings.load(os.environ, Path.cwd()).effective_database_url)
    with database.write() as opened:
        _migrate(opened)
    database.close()
