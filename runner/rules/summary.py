"""Summary of a run from its counters: the object of OUT.summary.json and `summary --json`.

Keys have a fixed order, and equal counters give equal bytes. An unknown value is null, never 0.

The accounts balance; tests/db/test_accounting.py checks this with random histories:

    accepted + never known = ended + out + extra + abandoned - late
    usd                    = reported + estimated ticks of every collected answer, kept or not
    every attempt that may have been billed and is over is in exactly one of reported_ticks,
    estimated_ticks, possible_extra_ticks (a bound) and unknown_jobs (no price for a bound)
    probable_extra_ticks <= possible_extra_ticks + what refusals (503) may hide, which is no cost of a budget

`never known`: attempts with an unknown outcome and no request_id. `ended`: succeeded jobs, and failed ones
whose last attempt was accepted. `out`: jobs in waiting, collecting or stored. `extra`: the sum over all
reasons; an attempt gets one when it is given up. `abandoned`: given up by the user. `late`: results that
arrived after their attempt was given up, less the accepted attempts since then that no job needs any more:
these take over its reason and bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from runner.rules.costs.budget import used_ticks
from runner.rules.json_object import SCHEMA
from runner.rules.labels.labels_summary import ask_counts, label_counts, row_counts
from runner.rules.latency_histogram import percentile_s
from runner.rules.money import usd
from runner.rules.replies.chat_completion import Flaw
from runner.rules.states import JobState, PauseReason, RunState
from runner.rules.summary_object import (
    NO_FILES,
    AttemptCounts,
    BudgetUse,
    ExtraCounts,
    FailureCounts,
    FlawCounts,
    ModelCost,
    RunCost,
    RunCounts,
    RunSummary,
    RunTiming,
    SummaryFiles,
    TokenCounts,
    UnreadCounts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.rules.labels.label_field import LabelField
    from runner.rules.labels.row_status import RowStatus

_ENDS: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.HELD)
_FINISH_ALWAYS: Final = ("stop", "length")
_TOKENS: Final = ("prompt", "cached", "completion", "reasoning", "total")
_ATTEMPTS: Final = ("accepted", "refused_for_now", "polls", "abandoned")
_UNREAD: Final = ("answers", "refused_prompts", "unavailable")
_EXTRAS: Final = ("ambiguous", "lost", "unusable", "generation_failed", "user_retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Facts of a run that the summary needs beside its counters; times are Unix seconds."""

    id: int
    name: str
    state: RunState
    paused_by: PauseReason | None
    started_at_s: float | None
    finished_at_s: float | None
    prices_as_of: str
    files: SummaryFiles = NO_FILES
    budget_ticks: int | None = None
    examples: Mapping[str, str] = field(default_factory=dict)  # error code or flaw -> a custom_id
    has_labels: bool = False  # whether its answers are judged, and asked again
    fields: Sequence[LabelField] = ()  # the labels in their order
    rows: Mapping[RowStatus, int] | None = None  # of the table with labels that was written


def summarize(run: RunFacts, counters: Mapping[tuple[str, str], int]) -> RunSummary:
    """Return the summary. `counters` are the sums over all shards, by (kind, key); missing ones are 0."""
    kinds = _by_kind(counters)
    summary = RunSummary(
        schema=SCHEMA,
        run=run.id,
        name=run.name,
        state=run.state,
        paused_by=run.paused_by,
        counts=_counts(kinds.get("state", {})),
        finish_reasons=_always(_FINISH_ALWAYS, kinds.get("finish", {})),
        answers=FlawCounts(**_pick(Flaw, kinds.get("flaw", {}))),
        models_returned=_most_first(kinds.get("returned", {})),
        errors=FailureCounts(by_code=_most_first(kinds.get("code", {}))),
        examples=dict(run.examples),
        tokens=TokenCounts(**_pick(_TOKENS, kinds.get("tokens", {}))),
        cost=_cost(kinds),
        budget=_budget(run, kinds.get("ticks", {})),
        attempts=AttemptCounts(
            **_pick(_ATTEMPTS, kinds.get("attempts", {})),
            extra=_extra(run, kinds.get("extra", {})),
        ),
        timing=_timing(run, kinds.get("latency", {})),
        prices_as_of=run.prices_as_of,
        files=run.files,
    )
    if not run.has_labels:
        return summary
    rows = row_counts(kinds, run.rows)
    return replace(summary, rows=rows, asks=ask_counts(kinds), labels=label_counts(kinds, run.fields))


def _by_kind(counters: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    kinds: dict[str, dict[str, int]] = {}
    for (kind, key), n in counters.items():
        kinds.setdefault(kind, {})[key] = n
    return kinds


def _counts(states: Mapping[str, int]) -> RunCounts:
    total = sum(states.values())
    ends = _pick(_ENDS, states)
    return RunCounts(total=total, **ends, unfinished=total - sum(ends.values()))


def _extra(run: RunFacts, extra: Mapping[str, int]) -> ExtraCounts:
    """Return the extras by reason; that of asking again is left out of runs that cannot have it."""
    counts = ExtraCounts(**_pick(_EXTRAS, extra))
    return replace(counts, reask=extra.get("reask", 0)) if run.has_labels else counts


def _cost(kinds: Mapping[str, Mapping[str, int]]) -> RunCost:
    ticks = kinds.get("ticks", {})
    reported, estimated = ticks.get("reported", 0), ticks.get("estimated", 0)
    return RunCost(
        usd=usd(reported + estimated),
        reported_ticks=reported,
        estimated_ticks=estimated,
        probable_extra_ticks=ticks.get("probable_extra", 0),
        possible_extra_ticks=ticks.get("possible_extra", 0),
        unread=UnreadCounts(
            **_pick(_UNREAD, kinds.get("unread", {})),
            unavailable_ticks=ticks.get("probable_unavailable", 0),
        ),
        unknown_jobs=kinds.get("unknown", {}).get("jobs", 0),
        by_model=_by_model(kinds.get("model_jobs", {}), kinds.get("model_ticks", {})),
    )


def _by_model(jobs: Mapping[str, int], ticks: Mapping[str, int]) -> dict[str, ModelCost]:
    return {
        model: ModelCost(jobs=jobs.get(model, 0), usd=usd(ticks.get(model, 0)), ticks=ticks.get(model, 0))
        for model in sorted({*jobs, *ticks})
        if jobs.get(model, 0) or ticks.get(model, 0)
    }


def _budget(run: RunFacts, ticks: Mapping[str, int]) -> BudgetUse | None:
    """Return the use of the budget, billed or possibly billed; None without a budget."""
    if run.budget_ticks is None:
        return None
    return BudgetUse(
        usd=usd(run.budget_ticks),
        ticks=run.budget_ticks,
        used_ticks=used_ticks(ticks),
        reserved_ticks=ticks.get("reserved", 0),
    )


def _timing(run: RunFacts, latency: Mapping[str, int]) -> RunTiming:
    wall_s = None
    if run.started_at_s is not None and run.finished_at_s is not None:
        wall_s = round(max(run.finished_at_s - run.started_at_s, 0.0), 3)
    return RunTiming(
        started_at=_timestamp(run.started_at_s),
        finished_at=_timestamp(run.finished_at_s),
        wall_s=wall_s,
        latency_p50_s=_rounded(percentile_s(latency, 0.50)),
        latency_p95_s=_rounded(percentile_s(latency, 0.95)),
    )


def _pick(keys: Iterable[str], counts: Mapping[str, int]) -> dict[str, int]:
    return {str(key): counts.get(key, 0) for key in keys}


def _always(keys: tuple[str, ...], counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of these keys, 0 if missing, then the others that are not 0."""
    return {**_pick(keys, counts), **{key: n for key, n in _most_first(counts).items() if key not in keys}}


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {key: n for key, n in ordered if n}


def _timestamp(at_s: float | None) -> str | None:
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value_s: float | None) -> float | None:
    return None if value_s is None else float(f"{value_s:.3g}")
