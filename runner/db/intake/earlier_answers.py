"""The output token counts of earlier runs of a file, for an estimate of the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from runner.db.stored_text import stored_path
from runner.rules.requests import output_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection


class EarlierAnswers(NamedTuple):
    """The newest earlier run with results (None: there is none), and the output counts of all of them."""

    run_id: int | None
    counts: Mapping[tuple[str, str], int]


def read(connection: Connection, input_sha256: str, path: Path | None) -> EarlierAnswers:
    """Return the output counts of the runs that were loaded from the same content or the same path."""
    rows = connection.execute(
        text(
            "SELECT c.key, SUM(c.n) AS n, MAX(r.id) AS run_id FROM runs r"
            " JOIN run_counters c ON c.run_id = r.id AND c.kind = :kind"
            " WHERE r.input_sha256 = :sha OR r.input_path = :path GROUP BY c.key"
        ),
        {
            "kind": output_estimate.COUNTER_KIND,
            "sha": input_sha256,
            "path": stored_path(str(path.resolve())) if path else "",
        },
    ).all()
    newest = max((row.run_id for row in rows), default=None)
    return EarlierAnswers(newest, {(output_estimate.COUNTER_KIND, row.key): int(row.n) for row in rows})
