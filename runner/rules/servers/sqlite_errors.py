"""What an error of SQLite means to a user: what is wrong with the file, and the cure."""

from __future__ import annotations

from typing import Final

from runner.rules.servers.database_fault import DatabaseFault

FILE_GONE: Final = (
    "the file was removed or replaced"  # a message of our own (runner.db.connection.sqlite_engine)
)
_PUT_BACK: Final = (  # SQLite would apply a log that belongs to another file, and damage a copy with it
    "move it away, and its -wal and -shm beside it too; then put a whole copy there, or load the job files"
    " anew"
)
INCOMPLETE: Final = DatabaseFault("lacks a part of its schema", _PUT_BACK, passes=False)
READ_ONLY: Final = DatabaseFault(
    "may not be written to", "make it and its folder writable, or name another folder with RUNNER_HOME"
)
GONE: Final = DatabaseFault(
    "was removed or replaced while it was in use",
    "put it back, or give the same command again: it begins with what is there now",
)
_WORDS: Final = (  # (part of the message, what it means); messages as in sqlite.org/rescode.html
    (
        "disk is full",
        DatabaseFault("has no room left on its disk", "make room there, then give the same command again"),
    ),
    ("readonly database", READ_ONLY),
    (
        "unable to open",
        DatabaseFault("cannot be opened", "look whether you may read and write it and its folder"),
    ),
    ("not a database", DatabaseFault("is damaged, or no database", _PUT_BACK)),
    ("malformed", DatabaseFault("is damaged", _PUT_BACK)),
    (
        "locked",
        DatabaseFault(
            "is kept busy by another program",
            "end what holds it (a backup, a database browser), then give the same command again",
        ),
    ),
    ("disk i/o error", DatabaseFault("cannot be read or written", "see whether its disk is well (dmesg)")),
    (FILE_GONE, GONE),
    ("no such table", INCOMPLETE),
    ("no such column", INCOMPLETE),
)


def fault_of(message: str) -> DatabaseFault | None:
    """Return what the message of an error means; None for a fault of the statement."""
    lower = message.lower()
    return next((fault for part, fault in _WORDS if part in lower), None)
