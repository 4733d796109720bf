"""How far earlier nights were from the nights before them: what the noise of nights is learned from."""

from __future__ import annotations

from collections import deque
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.gate.night_gate import REMEASURE_BELOW
from runner.rules.evaluation.gate.pool import POOL_LEAST, POOL_MOST
from runner.rules.evaluation.gate.score_sums import ScoreSums, added, paired_items

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

_LOOKS_WORSE: Final = NormalDist().inv_cdf(REMEASURE_BELOW)  # the z of a night that is measured again


class PastScores(NamedTuple):
    """An earlier night: its first measurement, all of its measurements together, and whether it is accepted.

    `subject` says what was asked, such as a hash of the prompt. `is_meant`: it regressed, and was accepted.
    """

    first: ScoreSums
    together: ScoreSums
    is_accepted: bool = True
    subject: Hashable = None
    is_meant: bool = False


def past_z(nights: Sequence[PastScores], clusters: Sequence[Hashable] | None = None) -> Iterator[float]:
    """Yield how far each night was from its own pool, in standard deviations, as far as it had one.

    `nights` are the valid ones, oldest first. A drop that stays is no noise: nights in a row that are not
    accepted count once, by the first of them, and not before an accepted one has followed. Neither is a
    change that is meant, by another prompt than that of the pool, or as its drop was accepted.
    """
    pool: deque[PastScores] = deque(maxlen=POOL_MOST)
    alarm: PastScores | None = None
    for night in nights:
        if not night.is_accepted:
            alarm = alarm or night
            continue
        for one in (alarm, night):
            if one is not None:
                found = _z(one, pool, clusters)
                yield from (z for z in found if not (night.is_meant and z < _LOOKS_WORSE))
        pool.append(night)
        alarm = None


def _z(night: PastScores, pool: Sequence[PastScores], clusters: Sequence[Hashable] | None) -> Iterator[float]:
    """Yield the z of a night, where the nights before it are enough and were asked the same."""
    if len(pool) >= POOL_LEAST and all(one.subject == night.subject for one in pool):
        items = paired_items(night.first, added([one.together for one in pool]), clusters)
        if items.pairs:
            yield items.difference().tails.z
