"""The runs that measure nights, and which of them keep their answers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import orjson
from sqlalchemy import text

from runner.db.evaluation import nights
from runner.db.evaluation.nights import NightState
from runner.db.evaluation.on_end_claims import UNREPORTED
from runner.rules.evaluation.kept_answers import reason_to_keep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
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


def waiting_detached(connection: Connection) -> list[NightRow]:
    """Return the open nights in the background whose newest run is over, oldest first.

    Those with a problem are left out: a command has to see it.
    """
    condition = (
        "n.state = 'open' AND EXISTS (SELECT 1 FROM eval_measurements m JOIN runs r ON r.id = m.run_id"
        " WHERE m.night_id = n.id AND (r.state = 'finished' OR (r.state = 'cancelled' AND"
        " r.finished_at_ms IS NOT NULL)) AND NOT EXISTS (SELECT 1 FROM eval_measurements later"
        " WHERE later.night_id = n.id AND later.number > m.number))"
    )
    return _detached(nights.select(connection, condition, "n.id"))


def uncalled_detached(connection: Connection, since_ms: int) -> list[NightRow]:
    """Return the nights in the background with a verdict since a time that their command has not got."""
    condition = f"n.ended_at_ms >= :since AND {UNREPORTED}"
    found = _detached(nights.select(connection, condition, "n.id", since=since_ms))
    return [night for night in found if orjson.loads(night.options).get("on_end") is not None]


def _detached(found: Iterable[NightRow]) -> list[NightRow]:
    """Return those of the nights that workers advance."""
    options = [(night, orjson.loads(night.options)) for night in found]
    return [night for night, given in options if given.get("is_detached") and given.get("problem") is None]
