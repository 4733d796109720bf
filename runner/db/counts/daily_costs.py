"""The cost of results by run, model and day: known costs from the series, the others from the attempts.

There are few attempts without a known cost, and an index of them. What they may have cost may be restated
later. It belongs to the day on which they ended all the same; the series books it on the day of the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text

from runner.db.counts.uncertain_costs import UNCERTAIN
from runner.db.jobs.job_ids import JOB_ID_SHIFT, job_id

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCost:
    """The cost of the results of one run by one model that were collected on one day (UTC).

    `answers` is their number, `tokens` their total tokens; `model` is "" where it is unknown. `unread` is the
    number of attempts without a known cost that ended on that day; they may have cost the extra ticks.
    """

    run: int
    model: str
    day: date
    answers: int = 0
    tokens: int = 0
    reported_ticks: int = 0
    estimated_ticks: int = 0
    unread: int = 0
    probable_extra_ticks: int = 0
    possible_extra_ticks: int = 0

    @property
    def ticks(self) -> int:
        """Return the sum of the reported and estimated ticks."""
        return self.reported_ticks + self.estimated_ticks


def read(connection: Connection, run_id: int | None) -> list[DailyCost]:
    """Return the costs of one run, or of all with None, by run, day and model.

    Known costs are in other rows than those of what could not be read.
    """
    return [*_known(connection, run_id), *_unread(connection, run_id)]


def _known(connection: Connection, run_id: int | None) -> list[DailyCost]:
    """Return the known costs."""
    condition = "" if run_id is None else "WHERE run_id = :run"
    found = connection.execute(
        text(
            f"SELECT run_id AS run, model, at_ms / {_DAY_MS} AS day, SUM(priced) AS answers,"
            " SUM(total_tokens) AS tokens, SUM(reported_ticks) AS reported, SUM(estimated_ticks) AS estimated"
            f" FROM run_series {condition} GROUP BY 1, 2, 3"
            " HAVING SUM(priced) <> 0 OR SUM(reported_ticks) <> 0 OR SUM(estimated_ticks) <> 0"
            " ORDER BY 1, 3, 2"
        ),
        {} if run_id is None else {"run": run_id},
    )
    return [
        DailyCost(
            run=row.run,
            model=row.model,
            day=_EPOCH + timedelta(days=int(row.day)),
            answers=int(row.answers),
            tokens=int(row.tokens),
            reported_ticks=int(row.reported),
            estimated_ticks=int(row.estimated),
        )
        for row in found
    ]


def _unread(connection: Connection, run_id: int | None) -> list[DailyCost]:
    """Return what attempts without a known cost may have cost, under the model that their jobs name."""
    found = connection.execute(
        text(
            f"SELECT a.job_id >> {JOB_ID_SHIFT} AS run, COALESCE(a.model, j.model) AS model,"
            f" COALESCE(a.collected_at_ms, a.marked_at_ms) / {_DAY_MS} AS day, COUNT(*) AS unread,"
            " SUM(COALESCE(probable_ticks, 0)) AS probable, SUM(COALESCE(possible_ticks, 0)) AS possible"
            f" FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE {UNCERTAIN}"
            " AND a.job_id >= :first AND a.job_id < :last GROUP BY 1, 2, 3 ORDER BY 1, 3, 2"
        ),
        _range(run_id),
    )
    return [
        DailyCost(
            run=row.run,
            model=row.model,
            day=_EPOCH + timedelta(days=int(row.day)),
            unread=int(row.unread),
            probable_extra_ticks=int(row.probable),
            possible_extra_ticks=int(row.possible),
        )
        for row in found
    ]


def _range(run_id: int | None) -> dict[str, int]:
    return {
        "first": 0 if run_id is None else job_id(run_id, 0),
        "last": (1 << 63) - 1 if run_id is None else job_id(run_id + 1, 0),
    }
