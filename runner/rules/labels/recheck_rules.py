"""Checks stored answers again after the repair of a run was switched on or off: what changes by that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import orjson

from runner.rules.labels.label_counts import counted_words
from runner.rules.labels.label_rules import label_rules
from runner.rules.replies.chat_completion import Kind, read_completion

if TYPE_CHECKING:
    from runner.rules.labels.label_rules import LabelRules


@dataclass(frozen=True, slots=True)
class CheckedBody:
    """What the rules say of an answer: the words that count its labels and its repair, or its error."""

    labels: tuple[str, ...] = ()
    repair: str | None = None
    error: str | None = None


class Recheck(NamedTuple):
    """The rules of a run as they are now, and the same with repair, which allow all that any rules did."""

    now: LabelRules
    widest: LabelRules

    def newly_valid(self, body: bytes) -> CheckedBody | None:
        """Return what is counted of an answer that did not fit; None if it still does not."""
        checked = _checked(self.now, body)
        return None if checked is None or checked.error is not None else checked

    def newly_invalid(self, body: bytes) -> CheckedBody | None:
        """Return what was counted of an answer that did fit, with its error now; None if it still fits.

        Also None where it never fitted by these rules: what was counted of it is not known then.
        """
        checked = _checked(self.now, body)
        if checked is None or checked.error is None:
            return None
        before = _checked(self.widest, body)
        if before is None or before.error is not None:
            return None
        return replace(before, error=checked.error)


def recheck_of(recipe: str) -> Recheck:
    """Return the rules of a stored recipe. Raises what `label_rules` does."""
    return Recheck(label_rules(recipe), label_rules(with_repair(recipe, is_on=True)))


def has_repair(recipe: str) -> bool:
    """Return whether a stored recipe repairs answers."""
    return bool(orjson.loads(recipe).get("ask", {}).get("repair", True))


def with_repair(recipe: str, *, is_on: bool) -> str:
    """Return a stored recipe with its repair switched on or off; nothing else changes."""
    stored = orjson.loads(recipe)
    return orjson.dumps(stored | {"ask": stored.get("ask", {}) | {"repair": is_on}}).decode()


def _checked(rules: LabelRules, body: bytes) -> CheckedBody | None:
    """Return what the rules say of an answer; None for one that labels cannot be in, such as a cut one."""
    answer = read_completion(body)
    if answer.kind is not Kind.GOOD or answer.flaw is not None:
        return None
    found = rules.contract.check(answer.content or "")
    if found.labels is None:
        return CheckedBody(error=found.error)
    return CheckedBody(labels=counted_words(rules.counted, found.labels), repair=found.repair)
