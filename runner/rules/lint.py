"""The judgement on a request body: everything refused or warned of before a cent is spent.

Most of a body is the same on every line: its settings and its leading system messages. That part
is judged once for each distinct text; a line then costs what is its own.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from runner.rules import models
from runner.rules.fields import judge_fields
from runner.rules.findings import Remark, is_refused
from runner.rules.json_faults import shortened
from runner.rules.messages import judge_messages, leading_count, list_remark
from runner.rules.money import PRIORITY
from runner.rules.outputs import Outputs, assumed
from runner.rules.tokens import text_tokens

_REMEMBERED: Final = 64
_REMEMBERED_BYTES_MAX: Final = 128 * 1024
# The estimate can be a third too high for plain English, so only what is above the window for
# certain is refused; in between is a warning.
_CONTEXT_MARGIN: Final = 4 / 3


class Judgement(NamedTuple):
    """What a body came to. `prompt_tokens` is an estimate, images and the model's overhead included."""

    remarks: list[Remark]
    refused: bool
    conv_id: str | None
    prompt_tokens: int
    max_output_tokens: int | None
    outputs: Outputs
    is_priority: bool


class _Shared(NamedTuple):
    remarks: list[Remark]
    refused: bool
    conv_id: str | None
    prompt_tokens: int
    max_output_tokens: int | None
    outputs: Outputs
    is_priority: bool
    context_tokens: float
    tpm: float


def judge(body: dict[str, Any], tpm: float | None) -> Judgement:
    """Judge a body that names its model. `tpm`: the allowed tokens a minute, None for the model's own."""
    settings = body.copy()
    messages = settings.pop("messages", None)
    if remark := list_remark(messages):
        shared = _judge_shared(settings, [])
        return Judgement([remark, *shared.remarks], True, None, 0, None, shared.outputs, False)
    count = leading_count(messages)
    shared = _judge_shared(settings, messages[:count])
    remarks: list[Remark] = []
    tokens = shared.prompt_tokens + judge_messages(messages[count:], remarks, first=count)
    if tokens > shared.context_tokens or tokens > (shared.tpm if tpm is None else tpm):
        remarks.extend(_too_large(body["model"], tokens, shared, tpm))
    refused = shared.refused or is_refused(remarks)
    return Judgement(
        shared.remarks + remarks,
        refused,
        shared.conv_id,
        tokens,
        shared.max_output_tokens,
        shared.outputs,
        shared.is_priority,
    )


def _judge_shared(settings: dict[str, Any], leading: list[Any]) -> _Shared:
    written = orjson.dumps((settings, leading))
    if len(written) > _REMEMBERED_BYTES_MAX:
        return _shared_of(written)
    return _remembered(written)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(written: bytes) -> _Shared:
    return _shared_of(written)


def _shared_of(written: bytes) -> _Shared:
    settings, leading = orjson.loads(written)
    name = settings["model"]
    facts = models.facts(name) if type(name) is str else None
    remarks = [*_judge_model(name, facts), *judge_fields(settings, facts)]
    tokens = judge_messages(leading, remarks)
    described = [settings[field] for field in ("tools", "response_format") if settings.get(field)]
    if described:
        tokens += text_tokens(orjson.dumps(described).decode())
    limit = settings.get("max_completion_tokens") or settings.get("max_tokens")
    return _Shared(
        remarks=remarks,
        refused=is_refused(remarks),
        conv_id=_conv_id(name, leading, described),
        prompt_tokens=tokens + (facts.prompt_overhead_tokens if facts else 0),
        max_output_tokens=limit if type(limit) is int else None,
        outputs=assumed(settings, facts),
        is_priority=settings.get("service_tier") == PRIORITY,
        context_tokens=facts.context_tokens if facts else float("inf"),
        tpm=facts.tpm if facts else float("inf"),
    )


def _conv_id(name: object, leading: list[Any], described: list[Any]) -> str | None:
    """Hash what jobs share at the front of their prompts; None where that is nothing."""
    if type(name) is not str or not (leading or described):
        return None
    prefix = orjson.dumps((models.canonical(name), described, leading))
    return blake2b(prefix, digest_size=16).hexdigest()


def _judge_model(name: object, facts: models.ModelFacts | None) -> list[Remark]:
    if type(name) is not str or not name:
        fix = 'write "model": "grok-4", or leave it out'
        return [Remark(code="bad-type", path=("model",), reason="model must be a name", fix=fix)]
    if facts is None:
        return [_unknown_model(name)]
    if facts.retired_on is None:
        return []
    alias = "" if name == facts.name else f" ({facts.name})"
    reason = (
        f"{name}{alias} was retired on {facts.retired_on}; {facts.redirected_to} answers, at its own price"
    )
    fix = f'name "{facts.redirected_to}" if that is the model you want'
    return [Remark(code="retired-model", path=("model",), reason=reason, fix=fix, severity="warning")]


def _unknown_model(name: str) -> Remark:
    close = get_close_matches(name.lower(), models.names(), n=1, cutoff=0.75)
    return Remark(
        code="unknown-model",
        path=("model",),
        reason=f'the model "{shortened(name)}" is not in the catalogue; its limits and prices are unknown',
        fix=f'did you mean "{close[0]}"?' if close else "check the name; it is sent as written",
        severity="warning",
    )


def _too_large(model: str, tokens: int, shared: _Shared, tpm: float | None) -> list[Remark]:
    about = f"the prompt is about {tokens:,} tokens"
    remarks = []
    if tokens > shared.context_tokens:
        surely = tokens > shared.context_tokens * _CONTEXT_MARGIN
        remarks.append(
            Remark(
                code="prompt-above-context" if surely else "prompt-near-context",
                path=("messages",),
                reason=f"{about}; {model} takes {shared.context_tokens:,}",
                fix="shorten it, split the job, or name a model with a larger window",
                severity="refused" if surely else "warning",
            )
        )
    allowed = shared.tpm if tpm is None else tpm
    if tokens > allowed:
        remarks.append(
            Remark(
                code="prompt-above-tpm",
                path=("messages",),
                reason=f"{about}; {allowed:,.0f} a minute are allowed, so it could never be sent",
                fix="shorten it, or give your team's limit with --tpm",
            )
        )
    return remarks
