"""The cost of an answer that could not be read: what it probably was, and the most it can have been.

Both numbers are learnt from what the other answers of the run cost, by the counters of the run.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules import models
from runner.rules.requests import output_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

DEAREST: Final = "dearest"  # kind of the counters; key: a returned model; n: ticks of its dearest answer
MODEL_TICKS: Final = "model_ticks"  # kind of the counters; key: a returned model
MARGIN: Final = 1.25  # of the dearest answer


class UncertainCost(NamedTuple):
    """Ticks that an answer probably cost, and ticks that it cost at most.

    `is_learnt`: the upper bound comes from enough answers of the model, not from a long answer.
    """

    probable_ticks: int
    possible_ticks: int
    is_learnt: bool = False


NO_COST: Final = UncertainCost(0, 0)


class LearntCosts(NamedTuple):
    """What answers of a model cost in a run: their number, their mean and the dearest, in ticks."""

    answers: int
    mean_ticks: int
    dearest_ticks: int

    @property
    def possible_ticks(self) -> int | None:
        """Return the most that another answer of ordinary size may cost; None for too few answers."""
        if self.answers < output_estimate.LEARNT_MIN or not self.dearest_ticks:
            return None
        return ceil(self.dearest_ticks * MARGIN)


def learnt_costs(counts: Mapping[tuple[str, str], int], model: str) -> LearntCosts | None:
    """Return what answers to a model's name cost, from a run's counters; None while none has a cost."""
    names = models.names_in_answers(model)
    answers = sum(output_estimate.histogram(counts, names).values())
    ticks = sum(counts.get((MODEL_TICKS, name), 0) for name in names)
    if not answers or not ticks:
        return None
    dearest = max(counts.get((DEAREST, name), 0) for name in names)
    return LearntCosts(answers, ticks // answers, dearest)


def learnt_models(counts: Mapping[tuple[str, str], int]) -> frozenset[str]:
    """Return the returned models of a run with enough answers for an upper bound."""
    names = {key for kind, key in counts if kind == DEAREST}
    known = {name: learnt_costs(counts, name) for name in names}
    return frozenset(name for name, costs in known.items() if costs and costs.possible_ticks is not None)


def combined(
    probable_ticks: int | None, cap_ticks: int | None, learnt_ticks: int | None
) -> UncertainCost | None:
    """Return both numbers; the bound is the smaller of a cap and what was learnt. None without any bound.

    `cap_ticks`: the price of a long answer to such a request. `learnt_ticks`: from other answers.
    """
    bounds = [ticks for ticks in (cap_ticks, learnt_ticks) if ticks is not None]
    if not bounds:
        return None
    possible = min(bounds)
    probable = possible if probable_ticks is None else min(probable_ticks, possible)
    return UncertainCost(probable, possible, is_learnt=learnt_ticks is not None)


def with_reserved_floor(cost: UncertainCost | None, reserved_ticks: int | None) -> UncertainCost | None:
    """Return a cost whose upper bound is at least what was reserved, so that no unknown bill frees budget.

    A learnt bound stands as it is: it knows more than the reservation did. None if the cost is unknown;
    such attempts are counted separately.
    """
    if cost is None or cost.is_learnt:
        return cost
    return cost._replace(possible_ticks=max(cost.possible_ticks, reserved_ticks or 0))


def can_be_restated(counts: Mapping[tuple[str, str], int]) -> bool:
    """Return whether a run has costs that what it learns may change: of unread answers, or behind a 503."""
    return any(counts.get(("unread", kind)) for kind in ("answers", "unavailable"))


def restated(old: UncertainCost, learnt: UncertainCost | None) -> UncertainCost:
    """Return an uncertain cost by what is learnt since; the old one where nothing is, or it knows less.

    No upper bound rises, so that no budget is exceeded afterwards. What a refusal (503) may hide has none.
    """
    if learnt is None or not learnt.is_learnt:
        return old
    if not old.possible_ticks:
        return UncertainCost(learnt.probable_ticks, 0)
    if learnt.possible_ticks < old.possible_ticks:
        return UncertainCost(learnt.probable_ticks, learnt.possible_ticks)
    return old
