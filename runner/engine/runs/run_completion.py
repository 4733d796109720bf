"""Run completion: the one place that decides, for workers and commands, whether a run has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.moves import user_moves
from runner.db.runs import run_end, runs
from runner.engine.collecting import restate_costs
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.engine.runs.cost_bounds import PriceBasis


def complete_if_done(
    connection: Connection, run_id: int, now_ms: int, deltas: Deltas, price_basis: PriceBasis = TABLE_PRICES
) -> bool:
    """Set a run to its final state if all its jobs have ended; return whether that happened now.

    What could not be read is then restated by what all the answers cost. Jobs of a cancelled run that were
    requeued without an answer are cancelled too, one chunk a call.
    """
    run = runs.find(connection, run_id)
    if run is not None and run.state is RunState.CANCELLED and not run.is_over:
        user_moves.cancel(connection, run_id, now_ms, deltas)
    deltas.write(connection)  # the sums must include this transaction's own moves
    if not run_end.finish_if_done(connection, run_id, now_ms):
        return False
    restate_costs.restate(connection, run_id, now_ms, price_basis, deltas)
    deltas.write(connection)
    return True
