"""A small ear for praise and blame, so that labels of reviews come out plausible. Its words: moods.json."""

from __future__ import annotations

import re
from importlib import resources

import orjson

_WORD = re.compile(r"[a-z']+")
_TURN_REACH = 3  # a "not" turns the next word of mood that is no farther than this
_CLEAR = 0.2  # a weaker mood is neutral
_WORDS: dict[str, frozenset[str]] = {
    family: frozenset(words)
    for family, words in orjson.loads(
        resources.files("runner.simulator").joinpath("moods.json").read_bytes()
    ).items()
}


def lean(text: str) -> float:
    """From -1, all blame, to 1, all praise; 0 where it hears neither."""
    score, heard, turned = 0, 0, 0
    for word in _WORD.findall(text.lower()):
        turned = _TURN_REACH if word in _WORDS["turns"] else turned - 1
        sign = (word in _WORDS["praise"]) - (word in _WORDS["blame"])
        if sign:
            heard += 1
            score += -sign if turned > 0 else sign
            turned = 0
    return score / heard if heard else 0.0


def fits(label: str, mood: float) -> int:
    """How well a label suits the mood: 1 it does, -1 it contradicts it, 0 it speaks of no mood."""
    words = set(_WORD.findall(label.lower()))
    heard = "positive" if mood > _CLEAR else "negative" if mood < -_CLEAR else "neutral"
    spoken = [family for family in ("positive", "negative", "neutral") if words & _WORDS[family]]
    return (1 if heard in spoken else -1) if spoken else 0
