"""Estimate of an answer's output tokens, with reasoning: assumed from the request or learnt from answers.

Answers of a run are counted by model in buckets that grow by 25 %: few rows, and accurate to that much. An
upper bound is a bucket's upper edge, so it is never below a counted answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules import models

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.rules.models import ModelFacts

COUNTER_KIND: Final = "output"  # of the counters; their key is `model/bucket`
_GROWTH: Final = 1.25
LEARNT_MIN: Final = 20  # answers; fewer are too few to estimate their spread
_LOW_SHARE, _HIGH_SHARE = 0.25, 0.90


class OutputRange(NamedTuple):
    """Range of one answer's tokens: few answers have less than `low` or more than `high`."""

    low: int
    high: int


_TEXT: Final = OutputRange(50, 1_000)
_SHAPED: Final = OutputRange(20, 300)  # JSON or the arguments of a tool call
_REASONING: Final = OutputRange(100, 3_000)  # at medium effort
_EFFORTS: Final = {"none": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
ASSUMPTION: Final = (
    f"{_TEXT.low}-{_TEXT.high:,} tokens of text or {_SHAPED.low}-{_SHAPED.high} of JSON or calls"
    f" (a job's maximum caps them), and {_REASONING.low}-{_REASONING.high:,} of reasoning"
)


def assumed_output(body: Mapping[str, Any], facts: ModelFacts | None) -> OutputRange:
    """Return the assumed output of a request; its maximum limits the text, not the reasoning."""
    form = body.get("response_format")
    is_shaped = bool(body.get("tools")) or (isinstance(form, dict) and form.get("type") != "text")
    text = _SHAPED if is_shaped else _TEXT
    text_max = body.get("max_completion_tokens") or body.get("max_tokens")
    if type(text_max) is int:
        text = OutputRange(min(text.low, text_max), min(text.high, text_max) if is_shaped else text_max)
    effort = body.get("reasoning_effort")
    scale = _EFFORTS.get(effort, 1.0) if isinstance(effort, str) else 1.0
    if facts is not None and not facts.reasons:
        scale = 0.0
    return OutputRange(text.low + round(scale * _REASONING.low), text.high + round(scale * _REASONING.high))


def worst_output_tokens(model: str, output_tokens_max: int | None, learnt: OutputRange | None) -> int:
    """Return an upper bound for an answer that could not be read: the larger of assumed and learnt.

    Without a maximum the API allows 128,000 visible tokens (ChatRequest of xAI's TypeScript SDK). That is no
    bound to go by: a budget would pause at the first lost answer (docs/decisions/0039).
    """
    high = _assumed_by_size(model, output_tokens_max).high
    return high if learnt is None else max(high, learnt.high)


def likely_output_tokens(model: str, output_tokens_max: int | None, learnt: OutputRange | None) -> int:
    """Return a likely number of tokens: the geometric mean of the learnt range, else of the assumed one."""
    low, high = learnt or _assumed_by_size(model, output_tokens_max)
    return round(math.sqrt(max(low, 1) * max(high, 1)))


def _assumed_by_size(model: str, output_tokens_max: int | None) -> OutputRange:
    body = {"max_completion_tokens": output_tokens_max} if output_tokens_max else {}
    return assumed_output(body, models.facts(model))


def counter_key(model: str, output_tokens: int) -> str:
    """Return the key of the counter for an answer: `model/bucket`."""
    bucket = math.ceil(math.log(output_tokens, _GROWTH)) if output_tokens > 1 else 0
    return f"{model}/{bucket:02}"


def learnt_output(
    counts: Mapping[tuple[str, str], int], model: str, high_share: float = _HIGH_SHARE
) -> OutputRange | None:
    """Return the output range of a model's answers from a run's counters; None below LEARNT_MIN answers.

    A retired name is answered by the model it is redirected to, and counted under that name.
    """
    found = histogram(counts, models.names_in_answers(model))
    if sum(found.values()) < LEARNT_MIN:
        return None
    low, high = _quantile(found, _LOW_SHARE), _quantile(found, high_share)
    return OutputRange(math.floor(_GROWTH ** (low - 1)), math.ceil(_GROWTH**high))


def histogram(counts: Mapping[tuple[str, str], int], names: Collection[str]) -> dict[int, int]:
    """Return the number of answers of some models by bucket of their output tokens."""
    found: dict[int, int] = {}
    for (kind, key), n in counts.items():
        if kind == COUNTER_KIND and n > 0:
            name, _, bucket = key.rpartition("/")
            if name in names:
                found[int(bucket)] = found.get(int(bucket), 0) + n
    return found


def _quantile(histogram: Mapping[int, int], share: float) -> int:
    """Return the first bucket up to whose upper edge at least this share of the answers lies."""
    left = share * sum(histogram.values())
    for bucket in sorted(histogram):
        left -= histogram[bucket]
        if left <= 0:
            break
    return bucket
