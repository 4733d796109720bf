"""A score and its change in words, the same on the screen and in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.counted import count
from runner.rules.evaluation.gate.night_gate import REMEASURE_BELOW, SURE_FROM
from runner.rules.evaluation.plain_words import once_in_nights, percent, points_change
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.report.night_report import GateReport, GraderReport, ItemReport, ScoreChange

_P_SHOWN: Final = 0.001
_REASON_LENGTH: Final = 80


def score_words(grader: GraderReport) -> str:
    """Return the mean with its interval: `81.2 % (77.6 to 84.4)`."""
    if grader.mean is None:
        return "no answer has a score"
    if grader.low is None or grader.high is None:
        return percent(grader.mean)
    return f"{percent(grader.mean)} ({100 * grader.low:.1f} to {100 * grader.high:.1f})"


def unscored_words(grader: GraderReport) -> str:
    """Return how many answers have a score, and what the mean is with the others; "" where all have one."""
    if grader.measured == grader.answers:
        return ""
    reason = next((f" ({one_line(reason, _REASON_LENGTH)})" for reason in grader.unscored), "")
    return (
        f"{grader.measured:,} of {count(grader.answers, 'answer')} scored{reason},"
        f" with the others {percent(grader.worst)} if wrong, {percent(grader.best)} if right"
    )


def change_words(change: ScoreChange | None) -> str:
    """Return how a score differs from the baseline: `-4.6 points (-7.5 to -1.8) against 14 nights`."""
    if change is None:
        return "not compared yet"
    words = points_change(change.change, change.low, change.high)
    return f"{words} against {count(change.nights, 'night')}"


def change_words_among(grader: GraderReport, graders: Sequence[GraderReport]) -> str:
    """Return how a score differs from the baseline; where no grader has one, that is said at the first."""
    has_any = any(one.change is not None for one in graders)
    return change_words(grader.change) if has_any or grader is graders[0] else ""


def chance_words(change: ScoreChange | None, gate: GateReport | None) -> str:
    """Return how often chance alone makes such a change, or that none was seen; "" without a baseline.

    `gate` is the no-drop gate of the score, whose p has the noise of nights in it; None where there is none.
    """
    if change is None:
        return ""
    parts = ["measured twice"] if gate is not None and gate.is_repeated else []
    p = _p(change, gate)
    if p < REMEASURE_BELOW:
        word = "drop" if change.change < 0 else "rise"
        shown = f"p {p:.3f}" if p >= _P_SHOWN else f"p < {_P_SHOWN}"
        parts = [", ".join([shown, *parts]), f"a {word} this large by chance: {once_in_nights(p)}"]
    else:
        parts.append("no change seen")
        if change.detectable is not None:
            parts.append(f"{100 * change.detectable:.1f} points would have been")
    if gate is not None and gate.is_provisional:
        parts.append(f"provisional with fewer than {count(SURE_FROM, 'night')}")
    return "; ".join(parts)


def gate_of(grader: GraderReport, gates: Sequence[GateReport]) -> GateReport | None:
    """Return the gate that says whether a score dropped; None where there is none."""
    place = (grader.variant, grader.grader, "no-drop")
    return next((gate for gate in gates if (gate.variant, gate.grader, gate.rule) == place), None)


def item_words(item: ItemReport) -> str:
    """Return the score of an item and its baseline: `0/3, was 42/42`, or means where they are no counts."""
    sides = ((item.score, item.answers), (item.base_score, item.base_answers))
    if all(float(total).is_integer() for total, _ in sides):
        now, was = (f"{total:.0f}/{answers:,}" for total, answers in sides)
    else:
        now, was = (f"{total / max(answers, 1):.2f}" for total, answers in sides)
    return f"{now}, was {was}"


def item_change(item: ItemReport) -> float:
    """Return how much the mean of an item's answers differs from that of its baseline."""
    return item.score / max(item.answers, 1) - item.base_score / max(item.base_answers, 1)


def _p(change: ScoreChange, gate: GateReport | None) -> float:
    if change.change < 0 and gate is not None and gate.p is not None:
        return gate.p
    if change.p_adjusted is not None:
        return change.p_adjusted
    return change.p_drop if change.change < 0 else change.p_rise
