"""The runs that measure nights, and which of them keep their answers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from runner.db.evaluation.nights import NightState
from runner.rules.evaluation.kept_answers import reason_to_keep

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.rules.evaluation.kept_answers import Kept

_QUERY = text(
    "SELECT m.run_id, m.number, n.id, n.suite_id, n.name, n.state, n.verdict, n.is_accepted, n.pinned_as"
    " FROM eval_nights n LEFT JOIN eval_measurements m ON m.night_id = n.id ORDER BY n.id DESC, m.number"
)


class NightRun(NamedTuple):
    """A run that measures a night, as its `number`th measurement.

    `night` is a name. `verdict` None: it has none yet. `kept` None: the answers are not needed.
    """

    night: str
    kept: Kept | None
    number: int
    verdict: str | None


def read(connection: Connection) -> dict[int, NightRun]:
    """Return the runs that measure nights, by id, those of the newest nights first."""
    accepted: defaultdict[int, set[int]] = defaultdict(set)  # of the nights read so far, by suite
    found: dict[int, NightRun] = {}
    for row in connection.execute(_QUERY):
        kept = reason_to_keep(
            is_open=row.state == NightState.OPEN,
            is_pinned=row.pinned_as is not None,
            is_accepted=bool(row.is_accepted),
            accepted_since=len(accepted[row.suite_id] - {row.id}),
        )
        if row.is_accepted:
            accepted[row.suite_id].add(row.id)
        if row.run_id is not None:
            found[row.run_id] = NightRun(row.name, kept, row.number, row.verdict)
    return found
