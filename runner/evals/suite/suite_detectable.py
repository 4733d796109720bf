"""The drop of its primary score that a suite can find, before it has any night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.suite import GateSpec, parse_baseline

if TYPE_CHECKING:
    from runner.rules.evaluation.suite import Suite

_ASSUMED_SCORE: Final = 0.8


class Detectable(NamedTuple):
    """A drop, from 0 to 1, that is found in 8 of 10 nights.

    It holds for a mean of `score`, and a baseline of so many nights.
    """

    drop: float
    score: float
    nights: int


def suite_detectable(suite: Suite, items: int) -> Detectable | None:
    """Return the drop that a night with so many items would show; None without items."""
    from runner.rules.statistics.detectable import detectable_drop

    if not items:
        return None
    gate = _drop_gate(suite)
    nights = parse_baseline(gate.baseline).nights
    alpha = 1 / gate.false_alarm_nights
    drop = detectable_drop(items=items, epochs=suite.epochs, nights=nights, p=_ASSUMED_SCORE, alpha=alpha)
    return Detectable(float(drop), _ASSUMED_SCORE, nights)


def _drop_gate(suite: Suite) -> GateSpec:
    """Return the gate for drops of the primary score; the usual one where the suite has none."""
    found = (gate for gate in suite.gates if gate.rule == "no-drop" and gate.grader == suite.primary.name)
    return next(found, GateSpec(rule="no-drop"))
