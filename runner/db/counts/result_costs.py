"""Counts the usage and cost of collected results: those that were settled, and late ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from runner.db.counts import uncertain_costs
from runner.db.jobs.job_ids import run_of
from runner.db.moves import attempts
from runner.rules.costs.uncertain_cost import (
    DEAREST,
    MODEL_TICKS,
    NO_COST,
    UncertainCost,
    restated,
    with_reserved_floor,
)
from runner.rules.requests import output_estimate
from runner.rules.sending.failure_pause import FIRST, INVALID
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.counts.counters import Deltas
    from runner.db.moves.outcomes import LabelCheck, Settled

REASK: Final = "reask"  # the reason of an extra: its answer was invalid, and its job is asked again


def count_late_results(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> None:
    """Count the cost of late results: those that came after the result of another attempt. No job moves.

    Their attempts keep their outcomes; what stood for their cost is replaced by the real cost.
    Results that were counted before, or that may still end their jobs, are skipped.
    """
    recorded = uncertain_costs.of_late(connection, [(row.job_id, row.attempt) for row in rows])
    by_key = {(row.job_id, row.attempt): row for row in rows}
    late = [by_key[key] for key in recorded]
    for row in late:
        found = recorded[row.job_id, row.attempt]
        count_uncertain_cost(run_of(row.job_id), found.cost, deltas, model=found.model, sign=-1)
    uncertain_costs.clear(
        connection, [(row.job_id, recorded[row.job_id, row.attempt].attempt) for row in late]
    )
    late = apply_reserved_floor(connection, late, deltas)
    attempts.record_cost(connection, late)
    for row in late:
        _count_cost(row, deltas)


def apply_reserved_floor(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> list[Settled]:
    """Return the rows with the upper bounds of unpriced results raised to what they had reserved.

    Where not even a bound is known, the reserved ticks are counted as unpriced instead. So an unknown cost
    never undercounts the budget.
    """
    unpriced = [(row.job_id, row.attempt) for row in rows if row.cost.ticks is None]
    reserved = attempts.reserved_ticks(connection, unpriced)
    floored = []
    for row in rows:
        reserved_ticks = reserved.get(row.job_id, 0)
        if row.cost.uncertain is not None:
            uncertain = with_reserved_floor(row.cost.uncertain, reserved_ticks)
            row = replace(row, cost=replace(row.cost, uncertain=uncertain))  # noqa: PLW2901
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
        deltas.add(run_id, "extra", REASK if row.event is Event.INVALID else row.event)
    if row.label_check is not None:
        _count_label_check(row, row.label_check, deltas)


def _count_label_check(row: Settled, label_check: LabelCheck, deltas: Deltas) -> None:
    """Count what the contract found: invalid answers, or the repair and the labels of a valid one."""
    run_id = run_of(row.job_id)
    if row.event is Event.INVALID:
        deltas.add(run_id, INVALID, FIRST if label_check.is_first else "again")
    elif row.target is JobState.SUCCEEDED:
        if label_check.repair:
            deltas.add(run_id, "repaired", label_check.repair)
        for word in label_check.labels:
            deltas.add(run_id, "label", word)


def _count_cost(row: Settled, deltas: Deltas) -> None:
    """Count the usage and cost of a result, whatever its job's state becomes."""
    run_id, cost = run_of(row.job_id), row.cost
    booked = partial(deltas.add, run_id, model=cost.model or "", at_ms=row.at_ms)
    deltas.add(run_id, "attempts", "collected")
    booked("attempts", "latency_ms", row.latency_ms)
    for key, n in (
        ("prompt", cost.prompt_tokens),
        ("cached", cost.cached_tokens),
        ("completion", cost.completion_tokens),
        ("reasoning", cost.reasoning_tokens),
        ("total", cost.total_tokens),
    ):
        booked("tokens", key, n or 0)
    model = cost.model or "unknown"
    deltas.add(run_id, "model_jobs", model)
    if cost.instead_of:
        deltas.add(run_id, "returned", f"{cost.instead_of} -> {model}")
    if cost.output_tokens is not None:
        deltas.add(
            run_id, output_estimate.COUNTER_KIND, output_estimate.counter_key(model, cost.output_tokens)
        )
    if cost.ticks is None:
        count_uncertain_cost(run_id, cost.uncertain, deltas, model=cost.model or "")
    else:
        booked("attempts", "priced")
        booked("ticks", cost.ticks_source, cost.ticks)
        deltas.add(run_id, MODEL_TICKS, model, cost.ticks)
        deltas.raise_to(run_id, DEAREST, model, cost.ticks)


def count_uncertain_cost(
    run_id: int, cost: UncertainCost | None, deltas: Deltas, *, model: str, sign: int = 1
) -> None:
    """Count an answer whose cost is unknown, or take it back: its two numbers; as unknown without them."""
    if cost is None:
        deltas.add(run_id, "unknown", "jobs", sign)
    else:
        _add_ticks(run_id, cost, deltas, model, sign)
        deltas.add(run_id, "unread", "answers", sign)


def count_refusal(run_id: int, cost: UncertainCost | None, deltas: Deltas, *, model: str) -> None:
    """Count what a refusal may have cost: a fee (possible), or an answer behind a 503 (probable only)."""
    if cost is None or cost == NO_COST:
        return
    _add_ticks(run_id, cost, deltas, model)
    if cost.possible_ticks:
        deltas.add(run_id, "unread", "refused_prompts")
    else:
        deltas.add(run_id, "unread", "unavailable")
        deltas.add(run_id, "ticks", "probable_unavailable", cost.probable_ticks)


def restate_uncertain_costs(
    connection: Connection, run_id: int, cost_of: Callable[[Row[Any]], UncertainCost | None], deltas: Deltas
) -> None:
    """Restate what attempts without a result may have cost by what is learnt now; no upper bound rises.

    `cost_of` takes a row with model, prompt_tokens and output_tokens_max.
    """
    changes: dict[tuple[int, int], tuple[UncertainCost, UncertainCost]] = {}
    models: dict[int, str] = {}
    for row in uncertain_costs.of_run(connection, run_id):
        old = UncertainCost(row.probable_ticks or 0, row.possible_ticks or 0)
        new = restated(old, cost_of(row))
        if new != old:
            changes[row.job_id, row.attempt] = old, new
            models[row.job_id] = row.model
    for key in uncertain_costs.replace(connection, changes):
        old, new = changes[key]
        _add_ticks(run_id, old, deltas, models[key[0]], -1)
        _add_ticks(run_id, new, deltas, models[key[0]])
        if not old.possible_ticks:
            deltas.add(run_id, "ticks", "probable_unavailable", new.probable_ticks - old.probable_ticks)


def _add_ticks(run_id: int, cost: UncertainCost, deltas: Deltas, model: str, sign: int = 1) -> None:
    deltas.add(run_id, "ticks", "probable_extra", sign * cost.probable_ticks)
    deltas.add(run_id, "ticks", "possible_extra", sign * cost.possible_ticks, model=model)
