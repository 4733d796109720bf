"""What an error of PostgreSQL or a pooler means: a state and a cure; a fault of the statement has none."""

from __future__ import annotations

import pytest

from runner.rules.servers.postgres_errors import (
    INCOMPLETE,
    NO_TABLE_RIGHTS,
    POOLER_FULL,
    READ_ONLY,
    fault_of,
)

STATEMENTS = (  # SQLSTATE, message, state, whether workers wait for it
    ("42501", "permission denied for table jobs", NO_TABLE_RIGHTS.state, True),
    ("42501", "Keine Berechtigung für Tabelle jobs", NO_TABLE_RIGHTS.state, True),
    ("25006", "cannot execute INSERT in a read-only transaction", READ_ONLY.state, True),
    (
        "53100",
        "could not extend file: No space left",
        "has no room left on its disk",
        True,
    ),
    ("42P01", 'relation "payloads" does not exist', INCOMPLETE.state, False),
    ("42703", 'column "asks" does not exist', INCOMPLETE.state, False),
    ("XX001", "invalid page in block 7", "is damaged", False),
    (
        "57014",
        "canceling statement due to statement timeout",
        "cuts statements off (statement_timeout)",
        True,
    ),
)
CONNECTIONS = (  # part of what libpq says, state
    ("FATAL: password authentication failed for user", "does not let us in"),
    ('FATAL: no pg_hba.conf entry for host "1.2.3.4", no encryption', "does not let us in without TLS"),
    ("fe_sendauth: no password supplied", "asks for a password"),
    ("server does not support SSL, but SSL was required", "does not speak TLS"),
    ("FATAL: sorry, too many clients already", "has no connection left"),
    ("FATAL: the database system is starting up", "is starting or stopping"),
    ("failed to resolve host 'db': Name or service not known", "is not found: its host has no address"),
    ("FATAL: query_wait_timeout", POOLER_FULL.state),
    ("FATAL: unsupported startup parameter: options", "is behind a pooler that takes no such parameter"),
    ("logged in, and the first statement was not answered within 10 s", POOLER_FULL.state),
    ('connection to server at "::1", port 5432 failed: session is read-only', READ_ONLY.state),
    ('connection is bad: invalid sslmode value: "silly"', "has an address that cannot be used"),
    ('connection is bad: definition of service "r" not found', "has an address that cannot be used"),
    ("connection refused", "does not answer"),
)


@pytest.mark.parametrize(("sqlstate", "message", "state", "passes"), STATEMENTS)
def test_a_refused_statement(sqlstate: str, message: str, state: str, passes: bool) -> None:
    """By its code, in whatever language the server speaks."""
    found = fault_of(sqlstate, message, is_connection=False)

    assert found is not None
    assert (found.state, found.passes) == (state, passes)
    assert found.fix


@pytest.mark.parametrize(("message", "state"), CONNECTIONS)
def test_a_refused_connection(message: str, state: str) -> None:
    """By its words: libpq gives no code."""
    found = fault_of(None, message, is_connection=True)

    assert found is not None
    assert found.state == state
    assert not found.is_setting


@pytest.mark.parametrize(("sqlstate", "message"), [("42601", "syntax error"), ("23505", "does not exist")])
def test_the_fault_of_a_statement_is_nobody_elses(sqlstate: str, message: str) -> None:
    """It can only be a bug."""
    assert fault_of(sqlstate, message, is_connection=False) is None


def test_the_cure_of_missing_rights_fits_what_is_refused() -> None:
    """A schema, a table or sequence, or what only its owner may do."""
    for message, fix in (
        ("permission denied for schema public", "ON SCHEMA {schema}"),
        ("permission denied for sequence runs_id_seq", "ON ALL SEQUENCES"),
        ("must be owner of table jobs", "owner"),
    ):
        fault = fault_of("42501", message, is_connection=False)
        assert fault is not None
        assert fix in fault.fix
