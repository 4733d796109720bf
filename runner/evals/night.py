"""A night against the nights before: what the gate says, from scores alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.rules.evaluation import night_gate
from runner.rules.evaluation.night_gate import POOL_LEAST, POOL_MOST, GateOutcome
from runner.rules.evaluation.scores import Pairing, paired, pooled
from runner.rules.statistics.comparison import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.evaluation.scores import Scores


class NightResult(NamedTuple):
    """What the gate says about a night, and its items beside those of the pool, in all measurements."""

    outcome: GateOutcome
    pairing: Pairing
    pool_nights: int


def night_result(
    tonight: Scores, again: Scores | None, nights: Sequence[Scores], *, alpha: float
) -> NightResult:
    """Return what the gate says about a night.

    `again` is its repeated measurement, `nights` are the accepted ones before it, oldest first.

    `alpha` is the share of unchanged nights that may alarm.
    """
    pool = pooled(nights[-POOL_MOST:])
    first = paired(tonight, pool)
    both = None if again is None else paired(pooled((tonight, again)), pool)
    outcome = night_gate.no_drop(
        list(first.pairs.values()),
        None if both is None else list(both.pairs.values()),
        list(_past_z(nights)),
        pool_nights=min(len(nights), POOL_MOST),
        alpha=alpha,
    )
    pairing = both if both is not None and outcome.is_repeated else first
    return NightResult(outcome, pairing, min(len(nights), POOL_MOST))


def _past_z(nights: Sequence[Scores]) -> Iterator[float]:
    """Yield how far each night was from its own pool, in standard deviations, as far as it had one."""
    for place in range(POOL_LEAST, len(nights)):
        pairing = paired(nights[place], pooled(nights[max(0, place - POOL_MOST) : place]))
        if pairing.pairs:
            yield difference(list(pairing.pairs.values())).tails.z
