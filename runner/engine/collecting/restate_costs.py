"""Restates what attempts without a result may have cost, once the run has learnt what its answers cost.

An attempt that was lost before enough answers had come counts with a long answer; a budget would pay for it
to the end of the run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.db.counts import counters, result_costs
from runner.engine.runs import cost_bounds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.engine.runs.cost_bounds import PriceBasis


def restate(
    connection: Connection, run_id: int, now_ms: int, price_basis: PriceBasis, deltas: Deltas
) -> None:
    """Lower the uncertain costs of a run to what is learnt from all its answers so far."""
    learnt = replace(price_basis, counts=counters.read(connection, run_id))
    result_costs.restate_uncertain_costs(
        connection,
        run_id,
        lambda row: cost_bounds.uncertain_cost(
            row.model, row.prompt_tokens, row.output_tokens_max, now_ms, learnt
        ),
        deltas,
    )
