"""The settings of all nights of a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_QUERY = text(
    "SELECT n.options FROM eval_nights n JOIN eval_suites s ON s.id = n.suite_id WHERE s.name = :suite"
    " ORDER BY n.id DESC"
)


def options_of_nights(connection: Connection, suite: str) -> Sequence[bytes]:
    """Return the options of the nights of a suite as JSON, the newest first."""
    return [bytes(options) for options in connection.execute(_QUERY, {"suite": suite}).scalars()]
