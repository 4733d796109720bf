"""Reads a stored completion as an answer to grade, with the service's own words about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.rules.evaluation.graders.grade import Answer
from runner.rules.json_text.answer_json import read_json, without_surrogates
from runner.rules.replies.chat_completion import TICKS_MAX, content_of, count, first_choice, flaw_of, word

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReadAnswer(NamedTuple):
    """An answer, and the `model` and `fingerprint` of the service; None where it does not say."""

    answer: Answer
    model: str | None
    fingerprint: str | None


def read_answer(body: bytes, *, epoch: int = 1, latency_ms: int | None = None) -> ReadAnswer | None:
    """Return what a body holds; None where it is no readable answer. Never raises."""
    try:
        value = read_json(body)
    except ValueError:
        return None
    choice = first_choice(value.get("choices")) if isinstance(value, dict) else None
    if choice is None or not isinstance(value, dict):
        return None
    message = choice["message"]
    finish_reason = word(choice.get("finish_reason"))
    flaw = flaw_of(message, finish_reason)
    usage = _usage(value)
    answer = Answer(
        text=without_surrogates(content_of(message) or ""),
        flaw=flaw and flaw.value,
        finish_reason=finish_reason,
        completion_tokens=count(usage.get("completion_tokens")),
        cost_ticks=count(usage.get("cost_in_usd_ticks"), TICKS_MAX),
        latency_ms=latency_ms,
        epoch=epoch,
        body=value,
    )
    return ReadAnswer(answer, word(value.get("model")), word(value.get("system_fingerprint")))


def _usage(value: dict[str, Any]) -> Mapping[str, Any]:
    usage = value.get("usage")
    return usage if isinstance(usage, dict) else {}
