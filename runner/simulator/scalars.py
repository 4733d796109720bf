"""Random strings and numbers within the bounds of a flat schema."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING

from runner.simulator.patterns import sample

if TYPE_CHECKING:
    from random import Random

    from runner.simulator.flat_schemas import Flat

TRIES = 24
WORDS_MAX = 12
LENGTH_MAX = 10_000  # longer ones are not made, whatever the schema asks: memory stays bounded
SPAN = 100  # width of a range with one bound or none
_ROUNDING = 1e-9


def make_string(flat: Flat, random: Random, words: list[str]) -> str:
    """Return a string of the schema's format or pattern, else a few consecutive words of `words`."""
    least, most = min(flat.get("minLength", 0), LENGTH_MAX), flat.get("maxLength", math.inf)
    if "pattern" in flat:
        return make_matching(flat["pattern"], random, least, most)
    text = _formatted(flat.get("format", ""), random)
    if text and least <= len(text) <= most:
        return text
    start = random.randrange(len(words))
    text = " ".join(words[start : start + WORDS_MAX])
    while len(text) < least:
        text += f" {random.choice(words)}"
    return text if len(text) <= most else text[: int(most)]


def make_matching(pattern: str, random: Random, least: int = 0, most: float = math.inf) -> str:
    """Return a string that matches the pattern, of `least` to `most` characters if found; "" if none is."""
    text = ""
    for _ in range(TRIES):
        try:
            text = sample(pattern, random, stretch=max(0, least - len(text)))
        except ValueError:
            break
        if least <= len(text) <= most:
            break
    return text


def make_number(flat: Flat, share: float, *, whole: bool) -> int | float:
    """Return a number within the bounds; `share`, 0 to 1, is its position between them."""
    step = flat.get("multipleOf", 1 if whole else None)
    low, high = _range(flat, step)
    if step is None:
        value: float = round(low + share * (high - low), 3)
        return value if low <= value <= high else (low + high) / 2
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    value = (first + round(share * max(0, last - first))) * step
    return round(value) if whole else value


def _range(flat: Flat, step: float | None) -> tuple[float, float]:
    """Return the least and the greatest allowed number. An excluded bound moves inwards."""
    low, high = flat.get("minimum", -math.inf), flat.get("maximum", math.inf)
    above, below = flat.get("exclusiveMinimum", -math.inf), flat.get("exclusiveMaximum", math.inf)
    if above >= low and above != -math.inf:
        low = _next_above(above, step, min(high, below))
    if below <= high and below != math.inf:
        high = -_next_above(-below, step, -low)
    if low == -math.inf:
        low = 0 if high >= 0 else high - SPAN
    return low, low + SPAN if high == math.inf else high


def _next_above(bound: float, step: float | None, limit: float) -> float:
    """Return the next multiple of the step above the bound; without a step, a number below the limit."""
    if step is not None:
        return (math.floor(bound / step + _ROUNDING) + 1) * step
    return bound + min(1.0, (limit - bound) / 16)


def _formatted(name: str, random: Random) -> str:
    day, second = random.randint(1, 28), random.randint(10, 59)
    return {
        "date": f"2026-03-{day:02d}",
        "time": f"12:30:{second}Z",
        "date-time": f"2026-03-{day:02d}T12:30:{second}Z",
        "duration": f"PT{second}M",
        "email": f"person{second}@example.com",
        "hostname": f"host{second}.example.com",
        "ipv4": f"192.0.2.{day}",
        "ipv6": f"2001:db8::{day}",
        "uri": f"https://example.com/{second}",
        "uuid": str(uuid.UUID(int=random.getrandbits(128), version=4)),
    }.get(name, "")
