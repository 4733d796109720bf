"""Graders of what an answer took: whether its length, cost or latency is within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.evaluation.graders.grade import Grade, unscored
from runner.rules.prices import TICKS_PER_USD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.suite.item import Item

UNITS: Final = ("words", "characters", "tokens")


@dataclass(frozen=True, slots=True)
class LimitGrader:
    """1 where `measure` of an answer is from `at_least` to `at_most`; None is no limit.

    `unit` is for labels; `missing` says why an answer has no measure.
    """

    measure: Callable[[Answer], float | None]
    unit: str
    missing: str
    at_least: float | None
    at_most: float | None

    def grade(self, _item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored where it was not measured."""
        value = self.measure(answer)
        if value is None:
            return unscored(self.missing)
        is_low = self.at_least is not None and value < self.at_least
        is_high = self.at_most is not None and value > self.at_most
        return Grade(int(not is_low and not is_high), f"{value:.6g} {self.unit}")


def length(options: Mapping[str, Any]) -> LimitGrader:
    """Make the grader `length`."""
    unit = options.get("unit", "words")
    return _within(options, _LENGTHS[unit], unit, "the answer does not say how many tokens it has")


def cost(options: Mapping[str, Any]) -> LimitGrader:
    """Make the grader `cost`, in USD."""
    return _within(options, _cost_usd, "USD", "the answer does not say what it cost")


def latency(options: Mapping[str, Any]) -> LimitGrader:
    """Make the grader `latency`, in seconds."""
    return _within(options, _latency_s, "s", "it is not known how long the answer took")


def _within(
    options: Mapping[str, Any], measure: Callable[[Answer], float | None], unit: str, missing: str
) -> LimitGrader:
    return LimitGrader(measure, unit, missing, options.get("at_least"), options.get("at_most"))


def _words(answer: Answer) -> int:
    return len(answer.text.split())


def _characters(answer: Answer) -> int:
    return len(answer.text)


def _tokens(answer: Answer) -> int | None:
    return answer.completion_tokens


def _cost_usd(answer: Answer) -> float | None:
    return None if answer.cost_ticks is None else answer.cost_ticks / TICKS_PER_USD


def _latency_s(answer: Answer) -> float | None:
    return None if answer.latency_ms is None else answer.latency_ms / 1000


_LENGTHS: Final[dict[str, Callable[[Answer], float | None]]] = {
    "words": _words,
    "characters": _characters,
    "tokens": _tokens,
}
