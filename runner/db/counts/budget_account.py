"""A run's budget account, read under a lock of the run, so that two workers never reserve the same money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, text

from runner.db.counts import counters
from runner.db.runs import runs
from runner.rules.costs.budget import RESERVING_STATES, Account, used_ticks

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.db.counts.counters import Deltas

_IN_FLIGHT: Final = (
    ("state = 'waiting'", "due_at_ms"),
    ("state IN ('submitting', 'collecting', 'stored')", "lease_until_ms"),
)


def lock_account(connection: Connection, run_id: int, deltas: Deltas) -> Account | None:
    """Lock a run until the transaction ends and return its account; None where it has no budget.

    `deltas`, the changes of this transaction, are written first and so counted.
    """
    runs.lock(connection, run_id)
    run = runs.find(connection, run_id)
    if run is None or run.options.budget_ticks is None:
        return None
    deltas.write(connection)
    counts = counters.read(connection, run_id, "state", "ticks")
    return Account(
        budget_ticks=run.options.budget_ticks,
        used_ticks=used_ticks({key: n for (kind, key), n in counts.items() if kind == "ticks"}),
        reserved_ticks=counts.get(("ticks", "reserved"), 0),
        in_flight=sum(counters.jobs_by_state(counts)[state] for state in RESERVING_STATES),
    )


def count_in_flight(connection: Connection, run_id: int, names: Collection[str]) -> int:
    """Count the jobs of a run that name one of these models and are in flight, or stored."""
    found = 0
    for state, time_column in _IN_FLIGHT:  # by its partial index: `+run_id` keeps SQLite from another one
        query = text(
            f"SELECT COUNT(*) FROM jobs WHERE {state} AND {time_column} >= 0"
            " AND +run_id = :run AND model IN :models"
        ).bindparams(bindparam("models", expanding=True))
        found += int(connection.execute(query, {"run": run_id, "models": sorted(names)}).scalar_one())
    return found


def models(connection: Connection, run_id: int) -> list[str]:
    """Return the models that a run's jobs name, sorted."""
    query = text("SELECT DISTINCT model FROM jobs WHERE run_id = :run ORDER BY model")
    return list(connection.execute(query, {"run": run_id}).scalars())
