"""A night against the nights before, from scores alone: what `runner compare` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.rules.evaluation.gate import night_gate
from runner.rules.evaluation.gate.past_noise import PastScores, past_z
from runner.rules.evaluation.gate.pool import newest
from runner.rules.evaluation.gate.score_sums import paired_items, score_sums
from runner.rules.evaluation.gate.scores import Pairing, paired, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.gate.night_gate import GateOutcome
    from runner.rules.evaluation.gate.scores import Scores


class NightResult(NamedTuple):
    """What the gate says about a night, and its items beside those of the pool, in all measurements.

    `pool` has the scores of the nights in it together, `pool_nights` is how many they are.
    """

    outcome: GateOutcome
    pairing: Pairing
    pool: Scores
    pool_nights: int


def night_result(
    tonight: Scores, again: Scores | None, nights: Sequence[Scores], *, alpha: float
) -> NightResult:
    """Return what the gate says about a night.

    `again` is its repeated measurement, `nights` are the accepted ones before it, oldest first.
    `alpha` is the share of unchanged nights that may alarm.
    """
    items = list(tonight)
    pool_nights = newest(nights)
    pool = pooled(pool_nights)
    base = score_sums(pool, items)
    together = tonight if again is None else pooled((tonight, again))
    past = [PastScores(side, side) for side in (score_sums(night, items) for night in nights)]
    outcome = night_gate.no_drop(
        paired_items(score_sums(tonight, items), base),
        None if again is None else paired_items(score_sums(together, items), base),
        list(past_z(past)),
        pool_nights=len(pool_nights),
        alpha=alpha,
    )
    pairing = paired(together if outcome.is_repeated else tonight, pool)
    return NightResult(outcome, pairing, pool, len(pool_nights))
