"""What a grader sees of an answer, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.suite.item import Item


class Answer(NamedTuple):
    """The first readable answer of an item in one epoch.

    `text` is what the model said ("" for a refusal or an empty answer; lone surrogates are U+FFFD), `flaw`
    one of length, refusal, empty. `epoch` counts from 1. `body` is the whole completion.
    """

    text: str
    flaw: str | None = None
    finish_reason: str | None = None
    completion_tokens: int | None = None
    cost_ticks: int | None = None
    latency_ms: int | None = None
    epoch: int = 1
    body: Mapping[str, Any] = {}


class Grade(NamedTuple):
    """A grade from 0 to 1; `value` None: the answer could not be graded, and `reason` says why.

    An answer that is wrong, or has nothing that the grader looks for, is graded 0. `label` is a short word
    for lists, such as the choice that was found, or "no answer".
    """

    value: float | None
    label: str = ""
    reason: str | None = None


def unscored(reason: str, label: str = "") -> Grade:
    """Return the grade of an answer that could not be graded."""
    return Grade(None, label, reason)


class Grader(Protocol):
    """Grades one answer; the same answer always gets the same grade. Never raises."""

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return the grade of an answer to an item."""
        ...
