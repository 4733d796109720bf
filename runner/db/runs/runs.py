"""The table `runs`: find runs and create them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from runner.db.runs.run_row import RunOptions, RunRow, read_run
from runner.db.stored_text import stored_path
from runner.rules.event_kinds import EventKind
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence


def find(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run by its id, or None."""
    row = connection.execute(text("SELECT * FROM runs WHERE id = :id"), {"id": run_id}).one_or_none()
    return read_run(row) if row else None


def find_whole(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run by its id; None where it is not there, or a removal of it has begun."""
    found = find(connection, run_id)
    return None if found is None or found.state is RunState.REMOVING else found


def lock(connection: Connection, run_id: int) -> None:
    """Lock a run's row until the transaction ends.

    SQLite needs no lock: its writing transactions never overlap.
    """
    suffix = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    connection.execute(text(f"SELECT id FROM runs WHERE id = :id{suffix}"), {"id": run_id})


def find_by_identity(connection: Connection, identity: str) -> RunRow | None:
    """Return the newest run of an identity, or None."""
    row = connection.execute(
        text("SELECT * FROM runs WHERE identity = :identity ORDER BY repetition DESC LIMIT 1"),
        {"identity": identity},
    ).one_or_none()
    return read_run(row) if row else None


def find_by_name(connection: Connection, name: str) -> RunRow | None:
    """Return the newest run with a name, or None; runs in state `removing` are left out."""
    return _newest_by(connection, "name", name)


def find_by_path(connection: Connection, path: str) -> RunRow | None:
    """Return the newest run of no occasion that was loaded from a path; not one in state `removing`."""
    return _newest_by(connection, "input_path", stored_path(path), "AND occasion IS NULL")


def find_by_sha256(connection: Connection, sha256: str) -> RunRow | None:
    """Return a run with jobs whose input has this sha256, or None; not one in state `removing`.

    One that has not ended goes before those that have, then the newest.
    """
    return _newest_by(
        connection, "input_sha256", sha256, "AND total > 0", first="state IN ('finished', 'cancelled'), "
    )


def ended_without_files(connection: Connection, *, since_ms: int) -> list[RunRow]:
    """Return the runs that ended since a time and whose files no worker has written since they ended."""
    query = text(
        "SELECT * FROM runs WHERE state IN ('finished', 'cancelled') AND finished_at_ms >= :since"
        " AND NOT EXISTS (SELECT 1 FROM run_events e WHERE e.run_id = runs.id AND e.kind = :written"
        " AND e.at_ms >= runs.finished_at_ms) ORDER BY id"
    )
    return [
        read_run(row) for row in connection.execute(query, {"since": since_ms, "written": EventKind.WRITTEN})
    ]


def _newest_by(
    connection: Connection, column: str, word: str, also: str = "", first: str = ""
) -> RunRow | None:
    query = text(
        f"SELECT * FROM runs WHERE {column} = :word AND state <> '{RunState.REMOVING}' {also}"
        f" ORDER BY {first}id DESC LIMIT 1"
    )
    row = connection.execute(query, {"word": word}).one_or_none()
    return read_run(row) if row else None


def all_runs(connection: Connection) -> list[RunRow]:
    """Return every run, newest first."""
    return [read_run(row) for row in connection.execute(text("SELECT * FROM runs ORDER BY id DESC"))]


def of_occasion(connection: Connection, occasion: str) -> list[RunRow]:
    """Return the runs of an occasion, newest first; runs in state `removing` are left out."""
    query = text(
        f"SELECT * FROM runs WHERE occasion = :word AND state <> '{RunState.REMOVING}' ORDER BY id DESC"
    )
    return [read_run(row) for row in connection.execute(query, {"word": occasion})]


def in_states(connection: Connection, states: Sequence[RunState]) -> list[RunRow]:
    """Return the runs in these states, oldest first."""
    listed = ", ".join(f"'{state}'" for state in states)
    query = text(f"SELECT * FROM runs WHERE state IN ({listed}) ORDER BY id")
    return [read_run(row) for row in connection.execute(query)]


def active_runs(connection: Connection) -> list[RunRow]:
    """Return the runs that workers send or collect for, oldest first."""
    query = text(
        "SELECT * FROM runs WHERE state IN ('running', 'waiting', 'paused')"
        " OR (state = 'cancelled' AND finished_at_ms IS NULL) ORDER BY id"
    )
    return [read_run(row) for row in connection.execute(query)]


def begin(
    connection: Connection,
    *,
    identity: str,
    name: str,
    input_path: str,
    input_sha256: str,
    options: RunOptions,
    now_ms: int,
    occasion: str | None = None,
    recipe: str | None = None,
    needs: str | None = None,
) -> int:
    """Insert a run in state `loading`; return its id. Later only `set_recipe` changes `recipe`."""
    return int(
        connection.execute(
            text(
                "INSERT INTO runs (identity, repetition, name, state, input_path, input_sha256, options,"
                " total, created_at_ms, occasion, recipe, needs) VALUES (:identity,"
                " (SELECT COALESCE(MAX(repetition) + 1, 0) FROM runs WHERE identity = :same),"
                " :name, 'loading', :path, :sha, :options, 0, :now, :occasion, :recipe, :needs) RETURNING id"
            ),
            {
                "identity": identity,
                "same": identity,  # PostgreSQL gives a parameter one type only
                "name": name,
                "path": stored_path(input_path),
                "sha": input_sha256,
                "options": json.dumps(asdict(options)),
                "now": now_ms,
                "occasion": occasion,
                "recipe": recipe,
                "needs": needs,
            },
        ).scalar_one()
    )


def models_of_pending_jobs(connection: Connection) -> list[str]:
    """Return the models of all pending jobs of runs that have not ended, sorted."""
    query = text(
        "SELECT DISTINCT model FROM jobs WHERE state = 'pending' AND run_id IN"
        " (SELECT id FROM runs WHERE state NOT IN ('finished', 'cancelled', 'removing')) ORDER BY model"
    )
    return [row.model for row in connection.execute(query)]
