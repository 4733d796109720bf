"""Counts answers that came in reply to a submit, by their ids, and pauses runs that have too many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db.counts import counters
from runner.db.jobs.job_ids import run_of
from runner.db.runs import run_moves
from runner.rules.identity import attempt_name
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.answers.results import Received
    from runner.db.counts.counters import Deltas

ANSWERS_MAX: Final = 3
COUNTER: Final = "answered_at_once"
WHY: Final = (
    "answers come at once although deferred ones are asked for: a gateway at XAI_BASE_URL drops `deferred`;"
    " the answers that came are kept"
)


def count(connection: Connection, received: Sequence[Received], deltas: Deltas) -> None:
    """Count the new results that are such answers, and pause runs at every ANSWERS_MAX of them."""
    at_once = [row for row in received if row.request_id == attempt_name(row.job_id, row.attempt)]
    for run_id in {run_of(row.job_id) for row in at_once}:
        new = sum(run_of(row.job_id) == run_id for row in at_once)
        before = counters.read(connection, run_id, "attempts").get(("attempts", COUNTER), 0)
        deltas.add(run_id, "attempts", COUNTER, new)
        if (before + new) // ANSWERS_MAX > before // ANSWERS_MAX:
            run_moves.pause(connection, run_id, PauseReason.SETTING, WHY, at_once[-1].received_at_ms)
