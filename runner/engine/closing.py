"""Closing a run: the one place that says, for workers and commands alike, whether it has come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import by_user, runs
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counters import Deltas


def close(connection: Connection, run_id: int, now_ms: int, deltas: Deltas) -> bool:
    """Finish a run if it is done; return whether it ended now.

    Jobs of a cancelled run that came back without an answer are cancelled as well, a chunk at a time.
    """
    run = runs.find(connection, run_id)
    if run is not None and run.state is RunState.CANCELLED and not run.is_over:
        by_user.cancel(connection, run_id, now_ms, deltas)
    deltas.write(connection)  # so that the sums hold this transaction's own moves
    return runs.finish_if_done(connection, run_id, now_ms)
