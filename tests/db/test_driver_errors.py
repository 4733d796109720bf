"""Which errors of a driver mean that the database is away, and which are a statement's own fault."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.errors import SyntaxError as WrongSyntax
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from runner.db.connection.driver_errors import first_line, is_refused, is_unavailable

if TYPE_CHECKING:
    from runner.db.session import Database


@pytest.mark.parametrize("statement", ["SELECT 1 FROM nothing_here", "SELECT nothing_here"])
def test_a_missing_table_or_column_is_a_fault_of_the_statement(database: Database, statement: str) -> None:
    """It would fail for ever; SQLite reports it as it reports a locked file."""
    with pytest.raises(DBAPIError) as raised, database.read() as connection:
        connection.exec_driver_sql(statement)
    assert not is_unavailable(raised.value)


@pytest.mark.parametrize("message", ["database is locked", "disk I/O error", "unable to open database file"])
def test_a_file_that_cannot_be_used_now_is_unavailable(message: str) -> None:
    """The statement is tried again."""
    assert is_unavailable(OperationalError(None, None, sqlite3.OperationalError(message)))


def test_the_first_line_of_a_group_is_that_of_its_first_error() -> None:
    """The message of the group has only their number."""
    inner = ExceptionGroup("inner", [ValueError("the cause\nand more")])
    assert first_line(ExceptionGroup("outer", [inner, KeyError("b")])) == "the cause"


def test_a_refused_statement_is_no_lost_connection() -> None:
    """The database answers, so that others can be told what it refuses."""
    refused = ProgrammingError(None, None, InsufficientPrivilege("permission denied for table runs"))
    lost = OperationalError(None, None, sqlite3.OperationalError("disk I/O error"))
    assert is_refused(refused)
    assert not is_refused(lost)
    assert not is_refused(ProgrammingError(None, None, WrongSyntax("syntax error")))
