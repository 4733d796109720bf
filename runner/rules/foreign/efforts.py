"""How much a model reasons: words and budgets of other services as the efforts that a model of xAI takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDER: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OF_XAI: Final = ("none", "low", "medium", "high", "xhigh")
_BUDGETS: Final = ((0, "none"), (4_096, "low"), (16_384, "medium"))  # tokens up to which a word holds


def nearest_effort(effort: str, accepted: Sequence[str] | None) -> str | None:
    """Return the accepted effort that is nearest, of two the higher; None for an unknown word.

    `accepted` has at least one effort of `_OF_XAI`; None where it is not known what the model takes.
    """
    if effort not in _ORDER:
        return None
    words = [word for word in _ORDER if word in (_OF_XAI if accepted is None else accepted)]
    at = _ORDER.index(effort)
    return min(words, key=lambda word: (abs(_ORDER.index(word) - at), -_ORDER.index(word)), default=None)


def effort_of_budget(tokens: int) -> str:
    """Return an effort for a budget of reasoning tokens, by a rule of thumb: no service names a relation."""
    return next((word for most, word in _BUDGETS if tokens <= most), "high")
