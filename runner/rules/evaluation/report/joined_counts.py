"""The answers of several measurements counted together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runner.rules.evaluation.report.night_facts import AnswerCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.report.night_facts import NightFacts


def joined_losses(facts: NightFacts, variant: str) -> Mapping[str, int]:
    """Return the answers that a variant lost in all measurements of a night, by error code."""
    lost: Counter[str] = Counter()
    for measurement in facts.measurements:
        lost.update(measurement.lost.get(variant, {}))
    return lost


def joined_counts(facts: NightFacts) -> AnswerCounts:
    """Return the answers of all measurements of a night."""
    both = [measurement.answers for measurement in facts.measurements]
    lost: Counter[str] = Counter()
    for counts in both:
        lost.update(counts.lost)
    return AnswerCounts(
        expected=sum(counts.expected for counts in both),
        answered=sum(counts.answered for counts in both),
        refused=sum(counts.refused for counts in both),
        cut=sum(counts.cut for counts in both),
        empty=sum(counts.empty for counts in both),
        lost=dict(sorted(lost.items())),
        redrawn=sum(counts.redrawn for counts in both),
    )
