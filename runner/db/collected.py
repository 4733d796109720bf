"""What collected answers used and cost, counted: those that were judged, and those that came too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.db import attempts
from runner.db.job_ids import run_of
from runner.rules import outputs
from runner.rules.budget import at_least
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.outcomes import Settled


def came_late(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> None:
    """Count what answers cost that came after the answer of another attempt; nothing moves.

    Their attempts keep the reasons for which they were given up, but what they may have cost is known now.
    Answers that were counted before, or whose jobs they may still end, are left alone.
    """
    bounds = attempts.bounds_of_late(connection, [(row.job_id, row.attempt) for row in rows])
    late = [row for row in rows if (row.job_id, row.attempt) in bounds]
    for row in late:
        bound = bounds[row.job_id, row.attempt]
        if bound.ticks is None:
            deltas.add(run_of(row.job_id), "unknown", "jobs", -1)
        else:
            deltas.add(run_of(row.job_id), "ticks", "possible_extra", -bound.ticks)
    attempts.unbound(connection, [(row.job_id, bounds[row.job_id, row.attempt].attempt) for row in late])
    late = covered(connection, late, deltas)
    attempts.priced(connection, late)
    for row in late:
        _count_cost(row, deltas)


def covered(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> list[Settled]:
    """Raise what unpriced answers may have cost to what they had reserved; count that where nobody knows."""
    unpriced = [(row.job_id, row.attempt) for row in rows if row.cost.ticks is None]
    reserved = attempts.reserved(connection, unpriced)
    found = []
    for row in rows:
        possible, held = row.cost.possible_ticks, reserved.get(row.job_id, 0)
        if possible is not None:
            row = replace(row, cost=replace(row.cost, possible_ticks=at_least(possible, held)))  # noqa: PLW2901
        else:
            deltas.add(run_of(row.job_id), "ticks", "unpriced", held)
        found.append(row)
    return found


def count(row: Settled, deltas: Deltas) -> None:
    """Count an answer that was judged, and what its job makes of it."""
    run_id, cost = run_of(row.job_id), row.cost
    _count_cost(row, deltas)
    deltas.add(run_id, "latency", row.latency_bucket)
    if row.target is JobState.SUCCEEDED:
        deltas.add(run_id, "finish", cost.finish_reason or "unknown")
        if cost.flaw:
            deltas.add(run_id, "flaw", cost.flaw)
    elif row.target is JobState.FAILED:
        deltas.add(run_id, "code", row.cause.code if row.cause else "unknown")
    else:
        deltas.add(run_id, "extra", row.event)


def _count_cost(row: Settled, deltas: Deltas) -> None:
    """Count what an answer used and cost, whatever its job makes of it."""
    run_id, cost = run_of(row.job_id), row.cost
    deltas.add(run_id, "attempts", "collected")
    for key, n in (
        ("prompt", cost.prompt_tokens),
        ("cached", cost.cached_tokens),
        ("completion", cost.completion_tokens),
        ("reasoning", cost.reasoning_tokens),
        ("total", cost.total_tokens),
    ):
        deltas.add(run_id, "tokens", key, n or 0)
    model = cost.model or "unknown"
    deltas.add(run_id, "model_jobs", model)
    if cost.instead_of:
        deltas.add(run_id, "returned", f"{cost.instead_of} -> {model}")
    if cost.output_tokens is not None:
        deltas.add(run_id, outputs.KIND, outputs.key_of(model, cost.output_tokens))
    if cost.ticks is None:
        count_possible(run_id, cost.possible_ticks, deltas)
    else:
        deltas.add(run_id, "ticks", cost.ticks_source, cost.ticks)
        deltas.add(run_id, "model_ticks", model, cost.ticks)


def count_possible(run_id: int, possible_ticks: int | None, deltas: Deltas) -> None:
    """Count what nobody could read: what it may have cost, or that nobody knows even that."""
    if possible_ticks is None:
        deltas.add(run_id, "unknown", "jobs")
    else:
        deltas.add(run_id, "ticks", "possible_extra", possible_ticks)
