"""The ledger's law of the series: what a run has over time sums up to its counters and to its attempts.

It uses no code of runner.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger_facts import Facts

COUNTERS: Final = {  # by column of run_series: kind and key of run_counters
    "sent": ("attempts", "sent"),
    "refused_for_now": ("attempts", "refused_for_now"),
    "polls": ("attempts", "polls"),
    "succeeded": ("state", "succeeded"),
    "failed": ("state", "failed"),
    "priced": ("attempts", "priced"),
    "prompt_tokens": ("tokens", "prompt"),
    "cached_tokens": ("tokens", "cached"),
    "completion_tokens": ("tokens", "completion"),
    "reasoning_tokens": ("tokens", "reasoning"),
    "total_tokens": ("tokens", "total"),
    "reported_ticks": ("ticks", "reported"),
    "estimated_ticks": ("ticks", "estimated"),
    "possible_ticks": ("ticks", "possible_extra"),
    "latency_ms": ("attempts", "latency_ms"),
}
OF_ATTEMPTS: Final = (
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
)
WIDTHS_S: Final = {10: 0, 60: 3_600, 600: 12 * 3_600}  # by the run's age, in seconds, from which they hold
DAY_MS: Final = 86_400_000


def series(facts: Facts) -> Iterator[str]:
    """L13: sums over all buckets are the counters and those of the attempts; each bucket has its width."""
    sums = {name: sum(row[name] for row in facts.series) for name in COUNTERS}
    for name, counter in COUNTERS.items():
        if sums[name] != facts.n(*counter):
            yield f"L13 {name}: {sums[name]} over time, the counter {counter} has {facts.n(*counter)}"
    for name, n in _of_attempts(facts).items():
        if sums[name] != n:
            yield f"L13 {name}: {sums[name]} over time, {n} by the rows"
    yield from _costs(facts)
    yield from _buckets(facts)


def _of_attempts(facts: Facts) -> Counter[str]:
    """Return what the rows of jobs and attempts say of some columns."""
    found = Counter({state: facts.states.get(state, 0) for state in ("succeeded", "failed")})
    for attempt in facts.attempts:
        found["sent"] += attempt["outcome"] not in ("not_sent", "withheld")
        found["refused_for_now"] += attempt["outcome"] == "refused_for_now"
        found["priced"] += attempt["ticks"] is not None
        found["possible_ticks"] += attempt["possible_ticks"] or 0
        for name in OF_ATTEMPTS:
            found[name] += attempt[name] or 0
        for source in ("reported", "estimated"):
            found[f"{source}_ticks"] += attempt["ticks"] or 0 if attempt["ticks_source"] == source else 0
    return found


def _costs(facts: Facts) -> Iterator[str]:
    """Compare known costs by model; by day as well, if each answer ended its attempt."""
    priced = [attempt for attempt in facts.attempts if attempt["ticks"] is not None]
    has_late = any(attempt["outcome"] not in ("succeeded", "invalid", "unusable") for attempt in priced)
    by_rows: Counter[tuple[str, int]] = Counter()
    for attempt in priced:
        day = 0 if has_late else attempt["collected_at_ms"] // DAY_MS
        by_rows[attempt["model"], day] += attempt["ticks"]
    over_time: Counter[tuple[str, int]] = Counter()
    for row in facts.series:
        day = 0 if has_late else row["at_ms"] // DAY_MS
        over_time[row["model"], day] += row["reported_ticks"] + row["estimated_ticks"]
    if +over_time != +by_rows:
        yield f"L13 ticks by model and day: {dict(+over_time)} over time, {dict(+by_rows)} by the attempts"


def _buckets(facts: Facts) -> Iterator[str]:
    """Check the width of each bucket, and that none begins within another one, but at a start of the run."""
    started_s = facts.run["started_at_ms"] // 1_000
    starts = {event["at_ms"] for event in facts.events if event["kind"] == "started"}
    for row in facts.series:
        begin_s = row["at_ms"] // 1_000 // row["width_s"] * row["width_s"]
        wanted = max(width for width in WIDTHS_S if _age(row["at_ms"], width, started_s) >= WIDTHS_S[width])
        if row["width_s"] != wanted:
            yield f"L13 a bucket at {row['at_ms']} has a width of {row['width_s']} s, not {wanted}"
        if row["at_ms"] != begin_s * 1_000 and row["at_ms"] not in starts:
            yield f"L13 a bucket begins at {row['at_ms']}"
    for before, after in pairwise(facts.series):
        if before["width_s"] > after["width_s"]:
            yield f"L13 after a bucket of {before['width_s']} s there is one of {after['width_s']} s"


def _age(at_ms: int, width: int, started_s: int) -> int:
    """Return the run's age at the begin of a bucket, in seconds; a run is never younger than 0."""
    return max(0, at_ms // 1_000 // width * width - started_s) if width > 10 else 0
