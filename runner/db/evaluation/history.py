"""The nights of a suite one after another, each with the few numbers of its newest verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import text

from runner.db.evaluation.nights import NightState
from runner.rules.evaluation.report.report_summary import UNKNOWN_TICKS

if TYPE_CHECKING:
    from sqlalchemy import Connection

_QUERY = text(
    "SELECT n.name, n.occasion, n.state, n.created_at_ms, n.verdict, n.exit_code, n.is_valid, n.is_accepted,"
    " n.pinned_as, n.variants, v.mean, v.measured, v.answers, v.ticks, v.services FROM eval_suites s"
    " JOIN eval_nights n ON n.suite_id = s.id LEFT JOIN eval_verdicts v"
    " ON v.id = (SELECT MAX(w.id) FROM eval_verdicts w WHERE w.night_id = n.id)"
    " WHERE s.name = :suite ORDER BY n.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryNight:
    """A night of a history.

    `mean` is that of the primary grader for the first variant, `measured` of `answers` have a grade of it.
    `services` are (model, fingerprint, answers). All of these are None or empty while it has no verdict; with
    one, `ticks` is None where a run of the night was removed.
    """

    name: str
    occasion: str
    state: NightState
    created_at_ms: int
    verdict: str | None
    exit_code: int | None
    is_valid: bool
    is_accepted: bool
    pinned_as: str | None
    variants: tuple[str, ...]
    mean: float | None
    measured: int | None
    answers: int | None
    ticks: int | None
    services: tuple[tuple[str | None, str | None, int], ...]


def read(connection: Connection, suite: str) -> list[HistoryNight]:
    """Return all nights of a suite, oldest first."""
    return [
        HistoryNight(
            name=row.name,
            occasion=row.occasion,
            state=NightState(row.state),
            created_at_ms=row.created_at_ms,
            verdict=row.verdict,
            exit_code=row.exit_code,
            is_valid=bool(row.is_valid),
            is_accepted=bool(row.is_accepted),
            pinned_as=row.pinned_as,
            variants=tuple(orjson.loads(row.variants)),
            mean=row.mean,
            measured=row.measured,
            answers=row.answers,
            ticks=None if row.ticks == UNKNOWN_TICKS else row.ticks,
            services=tuple((model, name, n) for model, name, n in orjson.loads(row.services or "[]")),
        )
        for row in connection.execute(_QUERY, {"suite": suite})
    ]
