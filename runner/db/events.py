"""What happened to a run, with time and cause: pauses, waits, new limits, warnings, its end."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, text

WARNING: Final = "warning"  # the kind of an event that whoever watches must see
WRITTEN: Final = "written"  # a worker wrote the files of a run that had ended


def note(connection: Connection, run_id: int, at_ms: int, kind: str, cause: str) -> None:
    """Put one event of a run on record."""
    connection.execute(
        text("INSERT INTO run_events (run_id, at_ms, kind, cause) VALUES (:run, :at, :kind, :cause)"),
        {"run": run_id, "at": at_ms, "kind": kind, "cause": kept(cause)},
    )


def note_once(connection: Connection, run_id: int, at_ms: int, kind: str, cause: str) -> None:
    """Put an event on record, unless the last one of its kind said the same: many processes see one thing.

    A cause like `grok-4.3: …` is of another kind than that of another model.
    """
    about = f"{kept(cause).partition(': ')[0]}: " if ": " in cause else ""
    last = connection.execute(
        text(
            "SELECT cause FROM run_events WHERE run_id = :run AND kind = :kind"
            " AND substr(cause, 1, :length) = :about ORDER BY id DESC LIMIT 1"
        ),
        {"run": run_id, "kind": kind, "length": len(about), "about": about},
    ).scalar_one_or_none()
    if last != kept(cause):
        note(connection, run_id, at_ms, kind, cause)


def of_run(connection: Connection, run_id: int) -> list[Row[Any]]:
    """Return the events of a run, oldest first."""
    return list(
        connection.execute(
            text("SELECT at_ms, kind, cause FROM run_events WHERE run_id = :run ORDER BY id"), {"run": run_id}
        )
    )


def kept(words: str) -> str:
    """Return words as PostgreSQL can keep them."""
    return words.replace("\0", "\ufffd")  # PostgreSQL's text takes no NUL
