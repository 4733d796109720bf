"""Checks whether runner can work with a database at head: nothing is missing, and nothing forbidden."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import database_error
from runner.rules.counted import listed
from runner.rules.servers import sqlite_errors
from runner.rules.servers.postgres_errors import (
    INCOMPLETE,
    NO_SCHEMA,
    NO_SCHEMA_RIGHTS,
    NO_TABLE_RIGHTS,
    READ_ONLY,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from runner.db.session import Database
    from runner.rules.servers.database_fault import DatabaseFault

    _Found: TypeAlias = tuple[DatabaseFault, tuple[str, ...]] | None

_SHOWN: Final = 3
_RIGHTS: Final = text(
    "SELECT r || ' on ' || t FROM unnest(CAST(:tables AS text[])) t,"
    " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r"
    " WHERE NOT has_table_privilege(quote_ident(t), r)"
    " UNION ALL SELECT 'USAGE on ' || s.relname FROM pg_class t"
    " JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass"
    " JOIN pg_class s ON s.oid = d.objid"
    " WHERE t.relname = ANY(CAST(:tables AS text[])) AND pg_table_is_visible(t.oid)"
    " AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') ELSE false END"
)


def check(database: Database) -> None:
    """Raise Unreachable, with a cure, where the database is incomplete, read-only or forbids what is needed.

    The schema must be at head. The sentences are those of the statements that would fail.
    """
    find = _fault_of_file if database.is_sqlite else _fault_of_server
    try:
        with database.read() as connection:
            found = find(database, connection, missing_parts(connection))
    except DBAPIError as error:
        raise database.explained(error) from error
    if found is not None:
        fault, where = found
        raise database_error(fault, database.url, where)


def check_schema_rights(database: Database) -> None:
    """Raise Unreachable where the user of a database without tables may not make them."""
    if database.is_sqlite:
        return
    with database.read() as connection:
        query = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        may_make = connection.execute(query).scalar_one()
    if not may_make:
        fault = NO_SCHEMA if may_make is None else NO_SCHEMA_RIGHTS
        raise database_error(fault, database.url)


def missing_parts(connection: Connection) -> list[str]:
    """Return the tables, and the columns in `table.column` form, that the database lacks of the schema."""
    there = inspect(connection).get_multi_columns()
    found = {key[1]: {column["name"] for column in columns} for key, columns in there.items()}
    missing = [table.name for table in _own_tables() if table.name not in found]
    return missing + [
        f"{table.name}.{column.name}"
        for table in _own_tables()
        for column in table.columns
        if column.name not in found.get(table.name, {column.name})
    ]


def _own_tables() -> Sequence[Table]:
    from runner.db.tables import Base  # slow to import: only these checks need it

    return Base.metadata.sorted_tables


def _fault_of_server(_database: Database, connection: Connection, missing: Sequence[str]) -> _Found:
    if missing:
        return INCOMPLETE, (f"it lacks {listed(missing, _SHOWN)}",)
    # of the session, as this transaction itself may be read-only
    if connection.execute(
        text("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool")
    ).scalar_one():
        return READ_ONLY, ()
    tables = [table.name for table in _own_tables()]
    forbidden = connection.execute(_RIGHTS, {"tables": tables}).scalars().all()
    return (NO_TABLE_RIGHTS, (f"its user lacks {listed(forbidden, _SHOWN)}",)) if forbidden else None


def _fault_of_file(database: Database, _connection: Connection, missing: Sequence[str]) -> _Found:
    if missing:
        return sqlite_errors.INCOMPLETE, (f"it lacks {listed(missing, _SHOWN)}",)
    is_writable = os.access(str(database.url.database), os.W_OK)
    return None if is_writable else (sqlite_errors.READ_ONLY, ())
