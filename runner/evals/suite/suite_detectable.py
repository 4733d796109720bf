"""The drop of its primary score that a suite can find, before it has any night."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.suite.suite import GateSpec, parse_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite

_ASSUMED_SCORE: Final = 0.8


class Detectable(NamedTuple):
    """A drop, from 0 to 1, that is found in 8 of 10 nights, where each item rises and falls by itself.

    It holds for a mean of `score`, and a baseline of so many nights. `drop_together` is found where all items
    of a cluster rise and fall as one; None where no two items share a cluster. The truth is between the two.
    """

    drop: float
    drop_together: float | None
    score: float
    nights: int


def suite_detectable(suite: Suite, items: Sequence[Item]) -> Detectable | None:
    """Return the drop that a night with these items would show; None without items."""
    from runner.rules.statistics.detectable import design_effect, detectable_drop

    if not items:
        return None
    gate = _drop_gate(suite)
    nights = parse_baseline(gate.baseline).nights
    sizes = _cluster_sizes(items)
    is_clustered = len(sizes) < len(items)
    df = len(sizes) - 1 if is_clustered else None
    drop, together = (
        detectable_drop(
            items=len(items),
            epochs=suite.epochs,
            nights=nights,
            p=_ASSUMED_SCORE,
            alpha=1 / gate.false_alarm_nights,
            design=design,
            df=df,
        )
        for design in (1.0, design_effect(sizes))
    )
    return Detectable(drop, together if is_clustered else None, _ASSUMED_SCORE, nights)


def _cluster_sizes(items: Sequence[Item]) -> Sequence[int]:
    """Return how many items each cluster has; one that is in none is a cluster of its own."""
    named = Counter(item.cluster for item in items if item.cluster is not None)
    return [*named.values(), *[1] * (len(items) - named.total())]


def _drop_gate(suite: Suite) -> GateSpec:
    """Return the gate for drops of the primary score; the usual one where the suite has none."""
    found = (gate for gate in suite.gates if gate.rule == "no-drop" and gate.grader == suite.primary.name)
    return next(found, GateSpec(rule="no-drop"))
