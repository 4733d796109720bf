"""How many output tokens an answer will have, reasoning included: assumed, or learnt from earlier answers.

Learnt are the answers of a run, counted by model in buckets that grow by a quarter: few rows, and right to
that much. An upper bound takes a bucket's upper edge, so it is never below what was seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules import models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.models import ModelFacts

KIND: Final = "output"  # of the counters; their key is `model/bucket`
_GROWTH: Final = 1.25
LEARNT_MIN: Final = 20  # fewer answers teach nothing of their spread
_LOW_SHARE, _HIGH_SHARE = 0.25, 0.90


class Outputs(NamedTuple):
    """Tokens of one answer, from what it will hardly undercut to what few will pass."""

    low: int
    high: int


_TEXT: Final = Outputs(50, 1_000)
_SHAPED: Final = Outputs(20, 300)  # JSON by a schema, or the arguments of a call
_REASONING: Final = Outputs(100, 3_000)  # at medium effort
_EFFORTS: Final = {"none": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
ASSUMPTION: Final = (
    f"{_TEXT.low}-{_TEXT.high:,} tokens of text or {_SHAPED.low}-{_SHAPED.high} of JSON or calls"
    f" (a job's maximum caps them), and {_REASONING.low}-{_REASONING.high:,} of reasoning"
)


def assumed(body: Mapping[str, Any], facts: ModelFacts | None) -> Outputs:
    """Assume the output of a request by what it asks for; a maximum caps the text, never the reasoning."""
    wish = body.get("response_format")
    is_shaped = bool(body.get("tools")) or (isinstance(wish, dict) and wish.get("type") != "text")
    text = _SHAPED if is_shaped else _TEXT
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if type(most) is int:
        text = Outputs(min(text.low, most), min(text.high, most) if is_shaped else most)
    effort = body.get("reasoning_effort")
    scale = _EFFORTS.get(effort, 1.0) if isinstance(effort, str) else 1.0
    if facts is not None and not facts.reasons:
        scale = 0.0
    return Outputs(text.low + round(scale * _REASONING.low), text.high + round(scale * _REASONING.high))


def worst(model: str, output_tokens_max: int | None, learnt: Outputs | None) -> int:
    """Bound what an answer that nobody read may have had: the most that is assumed, or learnt if more."""
    high = _of_size(model, output_tokens_max).high
    return high if learnt is None else max(high, learnt.high)


def likely(model: str, output_tokens_max: int | None, learnt: Outputs | None) -> int:
    """Say what an answer may well have: the geometric middle of what is learnt, else assumed."""
    low, high = learnt or _of_size(model, output_tokens_max)
    return round(math.sqrt(max(low, 1) * max(high, 1)))


def _of_size(model: str, output_tokens_max: int | None) -> Outputs:
    body = {"max_completion_tokens": output_tokens_max} if output_tokens_max else {}
    return assumed(body, models.facts(model))


def key_of(model: str, output_tokens: int) -> str:
    """Name the counter of an answer."""
    bucket = math.ceil(math.log(output_tokens, _GROWTH)) if output_tokens > 1 else 0
    return f"{model}/{bucket:02}"


def learn(
    counts: Mapping[tuple[str, str], int], model: str, high_share: float = _HIGH_SHARE
) -> Outputs | None:
    """Take from a run's counters what the answers to a model's name had; None while they are too few.

    A retired name is answered, and counted, as the model it is redirected to.
    """
    facts = models.facts(model)
    names = {model, models.canonical(model), facts.redirected_to if facts else None}
    found: dict[int, int] = {}
    for (kind, key), n in counts.items():
        if kind == KIND and n > 0:
            name, _, bucket = key.rpartition("/")
            if name in names:
                found[int(bucket)] = found.get(int(bucket), 0) + n
    if sum(found.values()) < LEARNT_MIN:
        return None
    low, high = _bucket(found, _LOW_SHARE), _bucket(found, high_share)
    return Outputs(math.floor(_GROWTH ** (low - 1)), math.ceil(_GROWTH**high))


def _bucket(found: Mapping[int, int], share: float) -> int:
    """Give the bucket up to whose upper edge this share of the answers lies."""
    left = share * sum(found.values())
    for bucket in sorted(found):
        left -= found[bucket]
        if left <= 0:
            break
    return bucket
