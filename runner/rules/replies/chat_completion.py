"""Parsing of the body of a 200 to a fetch: an answer or not, its token usage, its reported cost.

Never raises. An answer may be usable or not; a body that is no answer is unreadable (`Completion.is_final`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from runner.rules.json_text.answer_json import read_json, without_surrogates
from runner.rules.replies import error_body
from runner.rules.replies.reply_words import FAILED, SAFETY

TOKENS_MAX: Final = 10**9  # no answer has more; a larger number counts as absent
TICKS_MAX: Final = 10**14  # $10,000 for one answer; a larger number counts as absent
WORD_LENGTH_MAX: Final = 100
_ERROR_LENGTH_MAX: Final = 500


class Kind(StrEnum):
    """What the bytes are; all but GOOD are unusable."""

    GOOD = "good"
    NOT_JSON = "not-json"
    NO_CHOICES = "no-choices"
    ERROR_INSIDE = "error-inside"
    GENERATION_FAILED = "generation-failed"
    SAFETY = "safety"  # generated, then withheld


class Flaw(StrEnum):
    """A defect of a good answer; `--fail-on` names those that fail their job."""

    LENGTH = "length"  # it stopped at the token limit
    REFUSAL = "refusal"  # the model declined, or a filter did
    EMPTY = "empty"  # neither text nor a tool call


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer used, in tokens; details that are missing are 0.

    `reasoning` is not part of `completion` but is part of `total` (xAI's chat completions).
    `reported_ticks` is the whole charge as the API reports it; None if it does not.
    """

    prompt: int
    cached: int
    image: int
    completion: int
    reasoning: int
    total: int
    reported_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One parsed body.

    If it is unusable, `error` is the reason in a sentence. `is_final`: whether it is what the API has for
    this request. A body that is not may come from a proxy in between, and the answer may still be there.
    `flaw` is set for good answers only; one that hit the token limit before its first word is LENGTH,
    not EMPTY. `content` is what a good answer says: the arguments of its only tool call, or else its text;
    None where it has neither. It may hold lone surrogates.
    """

    kind: Kind
    is_final: bool = True
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    error: str | None = None
    flaw: Flaw | None = None
    content: str | None = field(default=None, repr=False)

    @property
    def is_verbatim(self) -> bool:
        """Return whether the bytes are a model's answer, to be kept as they came; an error is none."""
        return self.is_final and self.kind in (Kind.GOOD, Kind.NO_CHOICES)


def read_completion(body: bytes) -> Completion:
    """Parse the body of a 200 to a fetch. A choice with a message makes it good.

    Final without one: an object with usage, or with the id and type of a completion, and the API's own words
    for a failed generation or a refusal for safety.
    """
    try:
        value = read_json(body)
    except ValueError as error:
        return _not_json(f"the answer is not JSON: {error}"[:_ERROR_LENGTH_MAX])
    if not isinstance(value, dict):
        return _not_json("the answer is JSON, but not an object")
    choice = first_choice(value.get("choices"))
    kind, reason = (Kind.GOOD, None) if choice is not None else _why_unusable(value)
    finish_reason = word(choice.get("finish_reason")) if choice is not None else None
    return Completion(
        kind=kind,
        is_final=kind in (Kind.GOOD, Kind.SAFETY, Kind.GENERATION_FAILED) or _is_completion(value),
        model=word(value.get("model")),
        finish_reason=finish_reason,
        usage=read_usage(value.get("usage")),
        service_tier=word(value.get("service_tier")),
        error=reason,
        flaw=flaw_of(choice["message"], finish_reason) if choice is not None else None,
        content=content_of(choice["message"]) if choice is not None else None,
    )


def read_content(body: bytes) -> str | None:
    """Return `content` of what `read_completion` makes of a body, in a third of its time."""
    try:
        value = read_json(body)
    except ValueError:
        return None
    choice = first_choice(value.get("choices")) if isinstance(value, dict) else None
    return None if choice is None else content_of(choice["message"])


def _not_json(reason: str) -> Completion:
    return Completion(kind=Kind.NOT_JSON, is_final=False, error=reason)


def read_usage(value: object) -> Usage | None:
    """Parse a `usage` object; None if it has neither token counts nor a charge."""
    if not isinstance(value, dict):
        return None
    prompt, completion = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    ticks = count(value.get("cost_in_usd_ticks"), TICKS_MAX)
    if ticks is None and (prompt is None or completion is None):
        return None
    prompt, completion = prompt or 0, completion or 0
    reasoning = _detail(value, "completion_tokens_details", "reasoning_tokens")
    total = count(value.get("total_tokens"))
    return Usage(
        prompt=prompt,
        cached=_detail(value, "prompt_tokens_details", "cached_tokens"),
        image=_detail(value, "prompt_tokens_details", "image_tokens"),
        completion=completion,
        reasoning=reasoning,
        total=prompt + completion + reasoning if total is None else total,
        reported_ticks=ticks,
    )


def first_choice(choices: object) -> dict[str, Any] | None:
    """Return the first of a completion's choices; None where it has no message, or is not there."""
    if isinstance(choices, list) and choices:
        choice = choices[0]
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
            return choice
    return None


def content_of(message: dict[str, Any]) -> str | None:
    """Return what a message says; a forced tool call answers in its arguments, beside any text."""
    calls = message.get("tool_calls")
    if calls and isinstance(calls, list) and len(calls) == 1:
        function = calls[0].get("function") if isinstance(calls[0], dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(arguments, str):
            return arguments
    content = message.get("content")
    return content if isinstance(content, str) else None


def _is_completion(value: dict[str, Any]) -> bool:
    """Return whether an object without usable choices is a completion all the same: it was generated."""
    return isinstance(value.get("usage"), dict) or (
        bool(value.get("id")) and value.get("object") == "chat.completion"
    )


def flaw_of(message: dict[str, Any], finish_reason: str | None) -> Flaw | None:
    """Return the flaw of a message, if any; `finish_reason` is that of its choice."""
    if _filled(message.get("refusal")) or finish_reason == "content_filter":
        return Flaw.REFUSAL
    if finish_reason == "length":
        return Flaw.LENGTH
    return None if _filled(message.get("content")) or _filled(message.get("tool_calls")) else Flaw.EMPTY


def _why_unusable(value: dict[str, Any]) -> tuple[Kind, str]:
    if not value.get("error"):
        return Kind.NO_CHOICES, "the answer has no choices"
    error = error_body.error_text_of_object(value)
    kind = Kind.ERROR_INSIDE
    if SAFETY.search(error.code_and_text):
        kind = Kind.SAFETY
    elif FAILED.search(error.code_and_text):
        kind = Kind.GENERATION_FAILED
    return kind, without_surrogates(error.text) or "the answer holds an error without a word"


def count(value: object, count_max: int = TOKENS_MAX) -> int | None:
    """Return a whole number from 0 to `count_max` as it is; None for anything else, also true and false."""
    return value if type(value) is int and 0 <= value <= count_max else None


def _detail(usage: dict[str, Any], details: str, name: str) -> int:
    """Return a count among the details of a usage object; 0 if it is missing."""
    of_these = usage.get(details)
    return (count(of_these.get(name)) or 0) if isinstance(of_these, dict) else 0


def word(value: object) -> str | None:
    """Return a short text as it is, without lone surrogates; None for anything else."""
    if isinstance(value, str) and 0 < len(value) <= WORD_LENGTH_MAX:
        return without_surrogates(value)
    return None


def _filled(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)
