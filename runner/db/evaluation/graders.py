"""Graders of suites: each is stored once by the hash of its rules, and a night lists those it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from runner.db import bulk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


def put(
    connection: Connection, suite_id: int, night_id: int, graders: Mapping[str, tuple[str, bytes]]
) -> dict[str, int]:
    """Replace the graders of a night, by name with sha256 and spec; return their ids by name."""
    bulk.execute(
        connection,
        [("suite_id", "INT"), ("name", "TEXT"), ("sha256", "TEXT"), ("spec", "BYTEA")],
        [(suite_id, name, sha256, spec) for name, (sha256, spec) in graders.items()],
        "INSERT INTO eval_graders (suite_id, name, sha256, spec)"
        " SELECT suite_id, name, sha256, spec FROM v WHERE name IS NOT NULL"
        " ON CONFLICT (suite_id, name, sha256) DO NOTHING",
    )
    connection.execute(text("DELETE FROM eval_night_graders WHERE night_id = :night"), {"night": night_id})
    bulk.execute(
        connection,
        [("night_id", "INT"), ("suite_id", "INT"), ("name", "TEXT"), ("sha256", "TEXT")],
        [(night_id, suite_id, name, sha256) for name, (sha256, _) in graders.items()],
        "INSERT INTO eval_night_graders (night_id, grader_id) SELECT v.night_id, g.id FROM v"
        " JOIN eval_graders g ON g.suite_id = v.suite_id AND g.name = v.name AND g.sha256 = v.sha256",
    )
    return grader_ids(connection, night_id)


def grader_ids(connection: Connection, night_id: int) -> dict[str, int]:
    """Return the database ids of a night's graders by name."""
    query = text(
        "SELECT g.name, g.id FROM eval_night_graders n JOIN eval_graders g ON g.id = n.grader_id"
        " WHERE n.night_id = :night ORDER BY g.id"
    )
    rows = connection.execute(query, {"night": night_id})
    return {row.name: row.id for row in rows}
