"""An attempt was given up, and its answer comes before another attempt is sent: nothing was paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db import bulk
from runner.db.counts import uncertain_costs
from runner.db.counts.result_costs import count_uncertain_cost
from runner.db.jobs.job_ids import run_of
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas

STATES: Final = (JobState.PENDING, JobState.HELD, JobState.CANCELLED)  # of a job whose last attempt has ended
ABANDONED: Final = "abandoned"  # the outcome of an attempt that the user gave up
_EXTRAS: Final = (Event.AMBIGUOUS, Event.LOST, Event.UNUSABLE)
_OUTCOMES: Final = ", ".join(f"'{outcome}'" for outcome in (*_EXTRAS, ABANDONED))
# A job that failed and was retried by a user has its extra under another reason, and no spent attempt.
_COUNTED_BY_OUTCOME: Final = f"(a.outcome <> '{Event.UNUSABLE}' OR jobs.spent > v.spent)"
_NOT_SENT: Final = ", ".join(
    f"'{event}'" for event in (Event.NOT_SENT, Event.REFUSED_FOR_NOW, Event.REFUSED, Event.WITHHELD)
)
_SENT_SINCE: Final = (
    "SELECT 1 FROM attempts b WHERE b.job_id = a.job_id AND b.attempt > a.attempt"
    f" AND b.outcome NOT IN ({_NOT_SENT})"
)
_KEY: Final = [("job_id", "BIGINT"), ("attempt", "INT")]


def uncount(connection: Connection, rows: Sequence[tuple[int, int, int]], deltas: Deltas) -> None:
    """Uncount what was counted when some attempts were given up: their outcome is `accepted` again.

    `rows` are (job, attempt, spent): an attempt whose answers were unusable counts only where its job has
    spent more attempts than that.

    That is the extra, or the abandoned answer, and what it may have cost. Attempts are skipped after which
    another was sent: the money was spent. Their rows stay locked until the transaction ends.
    """
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE OF a"
    found = bulk.execute(
        connection,
        [*_KEY, ("spent", "INT")],
        sorted(rows),
        "SELECT a.job_id, a.attempt, a.outcome, COALESCE(a.model, jobs.model) AS model,"
        " a.probable_ticks, a.possible_ticks FROM v JOIN attempts a"
        " ON a.job_id = v.job_id AND a.attempt = v.attempt JOIN jobs ON jobs.id = a.job_id"
        f" WHERE a.outcome IN ({_OUTCOMES}) AND {_COUNTED_BY_OUTCOME} AND NOT EXISTS ({_SENT_SINCE}){lock}",
    )
    given_up = [(row.job_id, row.attempt) for row in found]
    bulk.execute(
        connection,
        _KEY,
        given_up,
        "UPDATE attempts SET outcome = 'accepted', error_code = NULL, error_message = NULL"
        " FROM v WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
    )
    uncertain_costs.clear(connection, given_up)
    bulk.execute(
        connection,
        [("job_id", "BIGINT")],
        [(row.job_id,) for row in found if row.outcome != ABANDONED],
        "UPDATE jobs SET extras = extras - 1 FROM v WHERE jobs.id = v.job_id",
    )
    for row in found:
        is_unknown = row.possible_ticks is None
        cost = None if is_unknown else UncertainCost(row.probable_ticks or 0, row.possible_ticks)
        count_uncertain_cost(run_of(row.job_id), cost, deltas, model=row.model, sign=-1)
        deltas.add(run_of(row.job_id), "attempts" if row.outcome == ABANDONED else "extra", row.outcome, -1)
