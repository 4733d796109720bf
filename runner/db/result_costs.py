"""Counts the usage and cost of collected results: those that were settled, and late ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.db import attempts
from runner.db.job_ids import run_of
from runner.rules import output_estimate
from runner.rules.budget import with_reserved_floor
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.outcomes import Settled


def count_late_results(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> None:
    """Count the cost of late results: those that came after the result of another attempt. No job moves.

    Their attempts keep their outcomes; the cost bounds that stood for them are replaced by the real cost.
    Results that were counted before, or that may still end their jobs, are skipped.
    """
    bounds = attempts.cost_bounds_of_late(connection, [(row.job_id, row.attempt) for row in rows])
    late = [row for row in rows if (row.job_id, row.attempt) in bounds]
    for row in late:
        bound = bounds[row.job_id, row.attempt]
        if bound.ticks is None:
            deltas.add(run_of(row.job_id), "unknown", "jobs", -1)
        else:
            deltas.add(run_of(row.job_id), "ticks", "possible_extra", -bound.ticks)
    attempts.clear_possible_ticks(
        connection, [(row.job_id, bounds[row.job_id, row.attempt].attempt) for row in late]
    )
    late = apply_reserved_floor(connection, late, deltas)
    attempts.record_cost(connection, late)
    for row in late:
        _count_cost(row, deltas)


def apply_reserved_floor(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> list[Settled]:
    """Return the rows with `possible_ticks` of unpriced results raised to what they had reserved.

    Where not even a bound is known, the reserved ticks are counted as unpriced instead. So an unknown cost
    never undercounts the budget.
    """
    unpriced = [(row.job_id, row.attempt) for row in rows if row.cost.ticks is None]
    reserved = attempts.reserved_ticks(connection, unpriced)
    floored = []
    for row in rows:
        possible, reserved_ticks = row.cost.possible_ticks, reserved.get(row.job_id, 0)
        if possible is not None:
            possible = with_reserved_floor(possible, reserved_ticks)
            row = replace(row, cost=replace(row.cost, possible_ticks=possible))  # noqa: PLW2901
        else:
            deltas.add(run_of(row.job_id), "ticks", "unpriced", reserved_ticks)
        floored.append(row)
    return floored


def count_result(row: Settled, deltas: Deltas) -> None:
    """Count a settled result: its cost, its latency, and where its job goes."""
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
    """Count the usage and cost of a result, whatever its job's state becomes."""
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
        deltas.add(
            run_id, output_estimate.COUNTER_KIND, output_estimate.counter_key(model, cost.output_tokens)
        )
    if cost.ticks is None:
        count_possible_cost(run_id, cost.possible_ticks, deltas)
    else:
        deltas.add(run_id, "ticks", cost.ticks_source, cost.ticks)
        deltas.add(run_id, "model_ticks", model, cost.ticks)


def count_possible_cost(run_id: int, possible_ticks: int | None, deltas: Deltas) -> None:
    """Count an unknown cost: its upper bound, or one unknown job where there is no bound."""
    if possible_ticks is None:
        deltas.add(run_id, "unknown", "jobs")
    else:
        deltas.add(run_id, "ticks", "possible_extra", possible_ticks)
