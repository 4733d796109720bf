"""What an error of PostgreSQL, or of a pooler before it, means to a user: what is wrong, and the cure.

A statement's error has an SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html). A connection that
was refused has words only.
"""

from __future__ import annotations

from typing import Final

from runner.rules.servers.database_fault import DatabaseFault

_GRANT_SCHEMA: Final = (
    "as the owner of the database, in psql: GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}"
)
_GRANT_TABLES: Final = (
    "as the owner of the tables, in psql: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA"
    " {schema} TO {user}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {user}"
)
_BE_OWNER: Final = "name the owner of the tables as the user in RUNNER_DATABASE_URL for this command"
_LOGIN_FIX: Final = "correct user, password and database in RUNNER_DATABASE_URL"
_START_FIX: Final = "start it, or correct RUNNER_DATABASE_URL"
_AGAIN: Final = "give the same command again in a moment"
SILENT: Final = "logged in, and the first statement was not answered"  # a message of our own
_NO_RIGHTS: Final = "does not give its user the rights that are needed"
_SESSION_FIX: Final = (
    "set pool_mode = session there, or name the address of PostgreSQL itself in RUNNER_DATABASE_URL"
)
_NOT_OWNER: Final = DatabaseFault(_NO_RIGHTS, _BE_OWNER)
NO_SCHEMA_RIGHTS: Final = DatabaseFault(_NO_RIGHTS, _GRANT_SCHEMA)
NO_TABLE_RIGHTS: Final = DatabaseFault(_NO_RIGHTS, _GRANT_TABLES)
TRANSACTION_MODE: Final = DatabaseFault(
    "is behind a pooler (PgBouncer) in transaction mode, which gives each transaction another session",
    _SESSION_FIX,
    is_setting=True,
)
_STATEMENT_MODE: Final = DatabaseFault(
    "is behind a pooler (PgBouncer) in statement mode, which has no transactions",
    _SESSION_FIX,
    is_setting=True,
)
POOLER_FULL: Final = DatabaseFault(
    "is behind a pooler that has no connection left",
    "raise default_pool_size there (6 for each worker process), or name the address of PostgreSQL itself in"
    " RUNNER_DATABASE_URL",
)
READ_ONLY: Final = DatabaseFault(
    "is read-only",
    "name the primary server in RUNNER_DATABASE_URL, or turn default_transaction_read_only off",
)
NO_SCHEMA: Final = DatabaseFault(
    "has no schema that its user may make tables in",
    f"{_GRANT_SCHEMA} (where there is none yet, first: CREATE SCHEMA {{schema}})",
)
INCOMPLETE: Final = DatabaseFault(
    "lacks a part of its schema",
    "restore the whole backup into an empty database, its table alembic_version too",
    passes=False,
)
_STARTING: Final = DatabaseFault("is starting or stopping", _AGAIN)
_FULL: Final = DatabaseFault(
    "has no connection left", "raise its max_connections, or a CONNECTION LIMIT, or run fewer workers"
)
_BUSY: Final = DatabaseFault("is kept busy by other transactions", f"end what locks its tables, or {_AGAIN}")
_NO_HOST: Final = DatabaseFault(
    "is not found: its host has no address", "correct the host in RUNNER_DATABASE_URL"
)
_AWAY: Final = DatabaseFault("does not answer", _START_FIX)

_STATES: Final = {
    "25006": READ_ONLY,
    "3F000": NO_SCHEMA,
    "42P01": INCOMPLETE,
    "42703": INCOMPLETE,
    "40001": _BUSY,
    "40P01": _BUSY,
    "53100": DatabaseFault(
        "has no room left on its disk", "make room there, then give the same command again"
    ),
    "53200": DatabaseFault("has no memory left", "give its machine more memory, or run fewer workers"),
    "53300": _FULL,
    "55P03": _BUSY,
    "57014": DatabaseFault(
        "cuts statements off (statement_timeout)",
        "as the owner of the database, in psql: ALTER ROLE {user} SET statement_timeout = 0",
    ),
    "57P01": _STARTING,
    "57P02": _STARTING,
    "57P03": _STARTING,
    "58030": DatabaseFault("cannot read or write its files", "see its log, and whether its disk is well"),
    "58P01": DatabaseFault("lacks files", "see its log, and restore a backup"),
    "XX001": DatabaseFault("is damaged", "see its log, and restore a backup", passes=False),
    "XX002": DatabaseFault("has a damaged index", "in psql: REINDEX DATABASE", passes=False),
}
_WORDS: Final = (  # (part of the message, what it means); the first that is there holds
    ("statement pooling mode", _STATEMENT_MODE),
    (
        "unsupported startup parameter",
        DatabaseFault(
            "is behind a pooler that takes no such parameter",
            "take it out of RUNNER_DATABASE_URL (or PGOPTIONS), or set ignore_startup_parameters there",
        ),
    ),
    (SILENT, POOLER_FULL),
    ("query_wait_timeout", POOLER_FULL),
    ("session is read-only", READ_ONLY),  # of the last host that was tried, with target_session_attrs
    ("no more connections allowed", POOLER_FULL),
    (
        "server_login_retry",
        DatabaseFault("is not reached by its pooler", "see the pooler's log, and start the database"),
    ),
    ("cannot connect to server", DatabaseFault("is not reached by its pooler", "see the pooler's log")),
    ("too many clients", _FULL),
    ("too many connections", _FULL),
    ("connection slots are reserved", _FULL),
    ("starting up", _STARTING),
    ("shutting down", _STARTING),
    ("recovery mode", _STARTING),
    ("not yet accepting connections", _STARTING),
    (
        "not currently accepting connections",
        DatabaseFault("takes no connections", "in psql: ALTER DATABASE … WITH ALLOW_CONNECTIONS true"),
    ),
    *(
        (part, DatabaseFault("has an address that cannot be used", "correct RUNNER_DATABASE_URL"))
        for part in (
            *("connection is bad: invalid", "definition of service", "service file", "could not match"),
            "unrecognized configuration parameter",  # in `options`
        )
    ),
    ("translate host name", _NO_HOST),
    ("resolve host", _NO_HOST),
    (
        "does not support SSL",
        DatabaseFault(
            "does not speak TLS", "take sslmode out of RUNNER_DATABASE_URL, or turn ssl on at the server"
        ),
    ),
    (
        "certificate verify failed",
        DatabaseFault(
            "shows a certificate that is not trusted",
            "name the file of its authority with sslrootcert in RUNNER_DATABASE_URL",
        ),
    ),
    (
        "no encryption",
        DatabaseFault(
            "does not let us in without TLS",
            "write sslmode=require into RUNNER_DATABASE_URL, or correct its user and database",
        ),
    ),
    (
        "no password supplied",
        DatabaseFault(
            "asks for a password", "write it into RUNNER_DATABASE_URL: postgresql://user:password@host/name"
        ),
    ),
    (
        "permission denied for database",
        DatabaseFault(
            "does not let us in",
            "as the owner of the database, in psql: GRANT CONNECT ON DATABASE … TO {user}",
        ),
    ),
    *(
        (part, DatabaseFault("does not let us in", _LOGIN_FIX))
        for part in (
            "authentication failed",
            "no pg_hba.conf entry",
            "does not exist",
            "not permitted to log in",
            "no such database",
            "no such user",
            "permission denied",
        )
    ),
)
_RIGHTS: Final = "42501"


def fault_of(sqlstate: str | None, message: str, *, is_connection: bool) -> DatabaseFault | None:
    """Return what an error means; None for a fault of the statement.

    `is_connection`: the driver counts it to those of the connection or the server.
    """
    if sqlstate == _RIGHTS:
        return _missing_rights(message)
    if sqlstate in _STATES:
        return _STATES[sqlstate]
    found = next((fault for part, fault in _WORDS if part in message), None)
    if found is not None and (is_connection or found.is_setting):
        return found
    return _AWAY if is_connection else None


def _missing_rights(message: str) -> DatabaseFault:
    """Return the fault of a user without the right that the message names."""
    if "must be owner" in message:
        return _NOT_OWNER
    return NO_SCHEMA_RIGHTS if "schema" in message else NO_TABLE_RIGHTS
