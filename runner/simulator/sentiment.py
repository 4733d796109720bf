"""Sentiment of a text by word lists (sentiment.json), so that simulated labels of reviews are plausible."""

from __future__ import annotations

import re
from importlib import resources

import orjson

_WORD = re.compile(r"[a-z']+")
_NEGATION_REACH = 3  # a "not" negates the next praise or blame at most this many words later
_NEUTRAL_MAX = 0.2  # a score up to this, positive or negative, is neutral
_WORDS: dict[str, frozenset[str]] = {
    family: frozenset(words)
    for family, words in orjson.loads(
        resources.files("runner.simulator").joinpath("sentiment.json").read_bytes()
    ).items()
}


def score(text: str) -> float:
    """Return the sentiment from -1, all blame, to 1, all praise; 0 without either."""
    total, count, reach = 0, 0, 0
    for word in _WORD.findall(text.lower()):
        reach = _NEGATION_REACH if word in _WORDS["negations"] else reach - 1
        sign = (word in _WORDS["praise"]) - (word in _WORDS["blame"])
        if sign:
            count += 1
            total += -sign if reach > 0 else sign
            reach = 0
    return total / count if count else 0.0


def label_fit(label: str, sentiment: float) -> int:
    """Return 1 if the label names the sentiment, -1 if it names another, 0 if it names none."""
    words = set(_WORD.findall(label.lower()))
    wanted = (
        "positive" if sentiment > _NEUTRAL_MAX else "negative" if sentiment < -_NEUTRAL_MAX else "neutral"
    )
    named = [family for family in ("positive", "negative", "neutral") if words & _WORDS[family]]
    return (1 if wanted in named else -1) if named else 0
