"""Jobs of which only the row is known: a request that may have left, an answer that was being fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.moves import job_moves
from runner.db.moves.outcomes import Cause, PollAgain, Requeue
from runner.engine.collecting.settle import policy_of_run
from runner.engine.runs import cost_bounds
from runner.rules.sending import retry
from runner.rules.states import Event

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.workers.orphans import OrphanedJob
    from runner.engine.runs.cost_bounds import PriceBasis


def requeue_unknown(
    connection: Connection, left: list[OrphanedJob], now_ms: int, deltas: Deltas, price_basis: PriceBasis
) -> set[int]:
    """Requeue or hold jobs with an unknown outcome, as their run's policy says; return the ids that moved.

    Each counts as an extra, with what it may have cost.
    """
    rows = []
    policies = {
        run_id: policy_of_run(connection, run_id, price_basis)
        for run_id in {job.lease.run_id for job in left}
    }
    for job in left:
        policy = policies[job.lease.run_id]
        target = retry.next_state(
            Event.AMBIGUOUS,
            attempts_spent=0,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
        )
        rows.append(
            Requeue(
                lease=job.lease,
                target=target,
                due_at_ms=now_ms,
                at_ms=now_ms,
                cause=Cause(code="process-ended", message="the process ended before the reply was on record"),
                uncertain=cost_bounds.uncertain_cost(
                    job.model, job.prompt_tokens, job.output_tokens_max, now_ms, policy.price_basis
                ),
            )
        )
    return job_moves.ambiguous(connection, rows, deltas)


def fetch_again(connection: Connection, left: list[OrphanedJob], now_ms: int, deltas: Deltas) -> set[int]:
    """Poll jobs again that a dead worker was fetching; return the ids that moved.

    If that worker's fetch had taken the answer, the API answers 404 and the job counts as lost; by the mark
    that it gets here, not as a failure of the API.
    """
    return job_moves.later(
        connection,
        [
            PollAgain(lease=job.lease, due_at_ms=now_ms, misses=job.misses, interrupted_at_ms=now_ms)
            for job in left
        ],
        deltas,
    )
