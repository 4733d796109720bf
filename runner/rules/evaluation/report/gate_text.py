"""The sentences of gates: why each says what it says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from runner.rules.counted import count, listed
from runner.rules.evaluation.plain_words import once_in_nights, percent, points, points_change, verdict_words
from runner.rules.evaluation.suite.suite import parse_baseline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.gate.night_gate import GateOutcome
    from runner.rules.evaluation.report.column_night import Baseline
    from runner.rules.statistics.comparison import Difference

_CODES_SHOWN: Final = 5


def no_baseline(baseline: Baseline, spec: str) -> str:
    """Return that there are too few nights to compare with; `spec` is the gate's `baseline`."""
    pinned = parse_baseline(spec).pinned
    if pinned is not None and not baseline.nights:
        return f'no night with these items and this grader is pinned as "{pinned}"'
    if baseline.is_enough:
        return "no item has a score both in this night and in the baseline"
    return f"{len(baseline.nights)} of {count(baseline.nights_least, 'night')} that a verdict needs"


def drop(outcome: GateOutcome, found: Difference, nights: int) -> str:
    """Return the change that a gate against a drop has seen, and how often chance alone gives it."""
    word, p = ("drop", found.tails.lower) if found.delta < 0 else ("rise", found.tails.upper)
    times = "measured twice; " if outcome.is_repeated else ""
    few = "; provisional: few nights" if outcome.is_provisional else ""
    return f"{change(found, nights)}; {times}a {word} this large by chance: {once_in_nights(p)}{few}"


def again(found: Difference, nights: int) -> str:
    """Return that a night looks worse, and is to be measured once more before that is an alarm."""
    return f"{change(found, nights)}; p {found.tails.lower:.2g}: all of it is to be measured once more"


def cannot_remeasure(found: Difference, nights: int, reason: str) -> str:
    """Return that a night looks worse and cannot be measured once more."""
    return f"{change(found, nights)}; p {found.tails.lower:.2g}, but not measured once more: {reason}"


def undecided(unscored: int, worst: str, best: str) -> str:
    """Return that answers without a score decide, given the verdicts with all wrong, and with all right."""
    return (
        f"{count(unscored, 'answer')} without a score would decide: "
        f"{verdict_words(worst)} if they were wrong, {verdict_words(best)} if right"
    )


def no_worse(found: Difference, low: float, margin: float, nights: int) -> str:
    """Return how far the change may go down, beside the margin."""
    is_proven = low > -margin
    beside = "within" if is_proven else "not within"
    return f"{change(found, nights)}; at worst {points(low)}, {beside} {100 * margin:g} points"


def at_least(mean: float, floor: float) -> str:
    """Return how far a mean is from its floor."""
    side = "above" if mean >= floor else "below"
    return f"{percent(mean)}, {100 * abs(mean - floor):.1f} points {side} the least of {100 * floor:g} %"


def measured(scored: int, asked: int, share_least: float, lost: Mapping[str, int], *, is_enough: bool) -> str:
    """Return how many of the answers have a score; `lost` are those that never came, by error code."""
    share = math.floor(1000 * scored / asked) / 10  # rounded down: never what is needed where it is less
    text = f"{scored:,} of {count(asked, 'answer')} have a score ({share:.1f} %)"
    if is_enough:
        return text
    codes = [f"{code} {n:,}" for code, n in sorted(lost.items(), key=lambda pair: (-pair[1], pair[0]))]
    why = f"; lost: {listed(codes, _CODES_SHOWN)}" if codes else ""
    return f"{text}, {100 * share_least:g} % are needed{why}"


def invalid() -> str:
    """Return that too little of a night was measured for any verdict."""
    return "too few answers were measured"


def change(found: Difference, nights: int) -> str:
    """Return a change with its interval."""
    low, high = found.interval()
    return f"{points_change(found.delta, low, high)} against {count(nights, 'night')}"
