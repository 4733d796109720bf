"""Validation of a request body: everything that is refused or warned of before anything is sent.

Most of a body is the same on every line: its settings and its leading system messages. The result for that
part is cached by its bytes, so that a line costs only what is its own.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.rules import models
from runner.rules.diagnostics import Problem, has_refusal
from runner.rules.json_text.json_faults import shortened
from runner.rules.money import PRIORITY
from runner.rules.requests.fields import check_fields
from runner.rules.requests.messages import check_messages, leading_count, message_list_problem
from runner.rules.requests.output_estimate import OutputRange, assumed_output
from runner.rules.requests.tokens import text_tokens

if TYPE_CHECKING:
    from runner.rules.sending.rate_limits import GivenLimits

_CACHED: Final = 64
_MODEL_CHARACTERS_MAX: Final = 200  # the key of a counter, in an index
_CACHED_BYTES_MAX: Final = 128 * 1024
# The estimate can be a third too high for plain English. A prompt is refused only if it is certainly above
# the window, and warned of in between.
_CONTEXT_MARGIN: Final = 4 / 3
_UNKNOWN_FIX: Final = (
    "check the name; it is sent as written, unless --model-for-all NAME replaces it on every line"
)


class Validation(NamedTuple):
    """Result of validating a body."""

    problems: list[Problem]
    refused: bool
    conv_id: str | None  # equal for prompts that begin alike
    prompt_tokens: int  # estimate, with images and the model's overhead
    max_output_tokens: int | None  # what the request sets, without reasoning
    outputs: OutputRange
    is_priority: bool


class _Shared(NamedTuple):
    problems: list[Problem]
    refused: bool
    conv_id: str | None
    prompt_tokens: int
    max_output_tokens: int | None
    outputs: OutputRange
    is_priority: bool
    context_tokens: float
    tpm: float


def validate(body: dict[str, Any], limits: GivenLimits) -> Validation:
    """Validate a body that has a model. `limits`: those that were given, beside the model's own."""
    settings = body.copy()
    messages = settings.pop("messages", None)
    if problem := message_list_problem(messages):
        shared = _validate_shared(settings, [])
        return Validation([problem, *shared.problems], True, None, 0, None, shared.outputs, False)
    count = leading_count(messages)
    shared = _validate_shared(settings, messages[:count])
    problems: list[Problem] = []
    tokens = shared.prompt_tokens + check_messages(messages[count:], problems, first=count)
    if tokens > shared.context_tokens or tokens > limits.prompt_tpm(shared.tpm):
        problems.extend(_too_large(body["model"], tokens, shared, limits))
    refused = shared.refused or has_refusal(problems)
    return Validation(
        shared.problems + problems,
        refused,
        shared.conv_id,
        tokens,
        shared.max_output_tokens,
        shared.outputs,
        shared.is_priority,
    )


def tokens_unchecked(model: str, limits: GivenLimits) -> float:
    """Return up to how many tokens `validate` accepts a prompt without looking further."""
    context_tokens, model_tpm = _limits(models.facts(model))
    return min(context_tokens, limits.prompt_tpm(model_tpm))


def _validate_shared(settings: dict[str, Any], leading: list[Any]) -> _Shared:
    encoded = orjson.dumps((settings, leading))
    if len(encoded) > _CACHED_BYTES_MAX:
        return _compute_shared(encoded)
    return _cached_shared(encoded)


@lru_cache(maxsize=_CACHED)
def _cached_shared(encoded: bytes) -> _Shared:
    return _compute_shared(encoded)


def _compute_shared(encoded: bytes) -> _Shared:
    settings, leading = orjson.loads(encoded)
    name = settings["model"]
    facts = models.facts(name) if type(name) is str else None
    problems = [*_check_model(name, facts), *check_fields(settings, facts)]
    tokens = check_messages(leading, problems)
    schemas = [settings[field] for field in ("tools", "response_format") if settings.get(field)]
    if schemas:
        tokens += text_tokens(orjson.dumps(schemas).decode())
    context_tokens, tpm = _limits(facts)
    return _Shared(
        problems=problems,
        refused=has_refusal(problems),
        conv_id=_conv_id(name, leading, schemas),
        prompt_tokens=tokens + (facts.prompt_overhead_tokens if facts else 0),
        max_output_tokens=_max_output_tokens(settings),
        outputs=assumed_output(settings, facts),
        is_priority=settings.get("service_tier") == PRIORITY,
        context_tokens=context_tokens,
        tpm=tpm,
    )


def _limits(facts: models.ModelFacts | None) -> tuple[float, float]:
    """Return context and tokens a minute of the model that answers; those of an unknown one are no limit."""
    serving = models.facts(facts.redirected_to) if facts and facts.redirected_to else facts
    return (serving.context_tokens, serving.tpm) if serving else (inf, inf)


def _max_output_tokens(settings: dict[str, Any]) -> int | None:
    limit = settings.get("max_completion_tokens") or settings.get("max_tokens")
    return limit if type(limit) is int else None


def _conv_id(name: object, leading: list[Any], schemas: list[Any]) -> str | None:
    """Return a hash of the prompt's prefix that jobs may share; None if there is none."""
    if type(name) is not str or not (leading or schemas):
        return None
    prefix = orjson.dumps((models.canonical(name), schemas, leading))
    return blake2b(prefix, digest_size=16).hexdigest()


def _check_model(name: object, facts: models.ModelFacts | None) -> list[Problem]:
    if type(name) is not str or not name:
        fix = f'write "model": "{models.DEFAULT}", or leave it out'
        return [Problem(code="bad-type", path=("model",), reason="model must be a name", fix=fix)]
    if not name.isprintable() or len(name) > _MODEL_CHARACTERS_MAX:
        return [_bad_model(name)]
    if facts is None:
        return [_unknown_model(name)]
    if facts.retired_on is None:
        return []
    alias = "" if name == facts.name else f" ({facts.name})"
    reason = (
        f"{name}{alias} was retired on {facts.retired_on}; {facts.redirected_to} answers, at its own price"
    )
    fix = f'name "{facts.redirected_to}" if that is the model you want'
    return [Problem(code="retired-model", path=("model",), reason=reason, fix=fix, severity="warning")]


def _bad_model(name: str) -> Problem:
    """Return the problem of a name that cannot be read, or that no index can keep."""
    if name.isprintable():
        reason, fix = f"model has {len(name):,} characters", f"use at most {_MODEL_CHARACTERS_MAX}"
    else:
        shown = shortened(orjson.dumps(name).decode())
        reason = f"the model {shown} holds a character that cannot be printed"
        fix = "write the name without it"
    return Problem(code="bad-model", path=("model",), reason=reason, fix=fix)


def _unknown_model(name: str) -> Problem:
    stable = name.lower().removesuffix("-latest")  # some models have no such alias, as grok-4.6
    close = [stable] if stable in models.names() else get_close_matches(name.lower(), models.names(), 1, 0.75)
    return Problem(
        code="unknown-model",
        path=("model",),
        reason=f'the model "{shortened(name)}" is not in the catalogue; its limits and prices are unknown',
        fix=f'did you mean "{close[0]}"?' if close else _UNKNOWN_FIX,
        severity="warning",
    )


def _too_large(model: str, tokens: int, shared: _Shared, limits: GivenLimits) -> list[Problem]:
    context_tokens, prompt_tpm = shared.context_tokens, limits.prompt_tpm(shared.tpm)
    about = f"the prompt is about {tokens:,} tokens"
    problems = []
    if tokens > context_tokens:
        is_certain = tokens > context_tokens * _CONTEXT_MARGIN
        problems.append(
            Problem(
                code="prompt-above-context" if is_certain else "prompt-near-context",
                path=("messages",),
                reason=f"{about}; {model} takes {context_tokens:,}",
                fix="shorten it, split the job, or name a model with a larger window",
                severity="refused" if is_certain else "warning",
            )
        )
    if tokens > prompt_tpm:
        problems.append(
            Problem(
                code="prompt-above-tpm",
                path=("messages",),
                reason=f"{about}; {prompt_tpm:,.0f} a minute are allowed, so it could never be sent",
                fix="shorten it, or raise --tpm"
                if prompt_tpm == limits.tpm
                else "shorten it, or set that of your team: runner set --team --tpm N",
            )
        )
    return problems
