"""The schema of a database, compared with the tables that runner/db/tables.py declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from runner.db.session import Database
from runner.db.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection


def differences(database: Database) -> list[str]:
    """Return where the schema of a database differs from tables.py, as the database itself describes both."""
    with database.read() as connection:
        found = _facts(connection)
    scratch = Database("sqlite:///:memory:") if database.is_sqlite else database
    with scratch.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("CREATE SCHEMA runner_check"))
            connection.execute(text("SET LOCAL search_path TO runner_check"))
        Base.metadata.create_all(connection)
        wanted = _facts(connection)
        connection.rollback()
    missing = [f"not in the database: {fact}" for fact in sorted(wanted - found)]
    return missing + [f"not in tables.py: {fact}" for fact in sorted(found - wanted)]


def _facts(connection: Connection) -> set[str]:
    """Return a line for every table, column, constraint and index."""
    seen = inspect(connection)
    facts = set()
    for table in seen.get_table_names():
        if table == "alembic_version":
            continue
        for column in seen.get_columns(table):
            null = "NULL" if column["nullable"] else "NOT NULL"
            default = "default" if column["default"] else "no default"
            facts.add(f"{table}.{column['name']} {column['type']} {null} {default}")
        key = seen.get_pk_constraint(table)
        facts.add(f"{table}: {key['name']} PRIMARY KEY {key['constrained_columns']}")
        for unique in seen.get_unique_constraints(table):
            facts.add(f"{table}: {unique['name']} UNIQUE {unique['column_names']}")
        for rule in seen.get_check_constraints(table):
            facts.add(f"{table}: {rule['name']} CHECK {rule['sqltext']}")
        for index in seen.get_indexes(table):
            where = [str(v) for k, v in sorted(index["dialect_options"].items()) if k.endswith("_where")]
            facts.add(f"{table}: {index['name']} INDEX {index['column_names']} {index['unique']} {where}")
    return facts
