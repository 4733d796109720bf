"""Checks of a request body's fields other than model and messages: one check for each documented field.

Source: the API's OpenAPI description and its model pages, 2026; the types of xAI's TypeScript SDK for what is
newer, such as `prompt_cache_key`. `null` counts as absent.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened
from runner.rules.requests.connection_fields import connection_problems
from runner.rules.requests.schemas import schema_problems
from runner.rules.requests.tool_definitions import choice_form_problems, choice_problems, tools_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runner.rules.models import ModelFacts

Check: TypeAlias = "Callable[[str, Any], Iterator[Problem]]"

STOPS_MAX: Final = 4


def check_fields(settings: Mapping[str, Any], model: ModelFacts | None) -> Iterator[Problem]:
    """Yield the problems of the body's fields; `model` is None for a model that is not in the catalogue."""
    for name, value in settings.items():
        check = _CHECKS.get(name)
        if check is None:
            if name != "model":
                yield from _undocumented(name, value)
        elif value is not None or name == "deferred":
            yield from check(name, value)
            if model is not None:
                yield from _check_for_model(name, value, model)
    yield from choice_problems(settings.get("tool_choice"), settings.get("tools"))


def is_body_field(name: str) -> bool:
    """Return whether the API documents a body field of this name."""
    return name in _CHECKS or name in ("model", "messages")


def _check_for_model(name: str, value: object, model: ModelFacts) -> Iterator[Problem]:
    if name in model.rejects:
        code = "stop-rejected" if name == "stop" else "penalty-rejected"
        yield _refuse(code, (name,), f"{model.name} rejects {name}", "remove the field")
    elif name in model.ignores and value is not False:
        yield _warn("ignored-field", name, f"{model.name} ignores {name}", "remove the field")
    elif name == "reasoning_effort" and model.efforts is not None and value not in model.efforts:
        shown = shortened(orjson.dumps(value).decode())
        if not model.efforts:
            yield _refuse("effort-rejected", (name,), f"{model.name} rejects {name}", "remove the field")
        else:
            fix = f"use one of: {', '.join(model.efforts)}"
            yield _refuse("effort-rejected", (name,), f"{model.name} rejects {name} {shown}", fix)


def _refuse(code: str, path: Path, reason: str, fix: str) -> Problem:
    return Problem(code=code, path=path, reason=reason, fix=fix)


def _warn(code: str, name: str, reason: str, fix: str) -> Problem:
    return Problem(code=code, path=(name,), reason=reason, fix=fix, severity="warning")


def _undocumented(name: str, value: object) -> Iterator[Problem]:
    looked_at = {name: None if name == "metadata" else value}  # metadata is the user's own
    refusals = list(connection_problems((), looked_at))
    yield from refusals or (_unknown_field(name),)


def _unknown_field(name: str) -> Problem:
    close = get_close_matches(name.lower(), [*_CHECKS, "messages", "model"], n=1, cutoff=0.75)
    if name == "metadata":
        fix = "put it beside custom_id, outside the body, to have it in the output"
    elif close:
        fix = f'did you mean "{close[0]}"? it is sent as written'
    else:
        fix = "check the name; it is sent as written"
    reason = f'the API knows no field "{shortened(name)}"; it ignores it silently and bills the answer'
    return _warn("unknown-field", shortened(name), reason, fix)


def _any(_name: str, _value: object) -> Iterator[Problem]:
    yield from ()


def _of_type(kind: type, words: str) -> Check:
    def check(name: str, value: object) -> Iterator[Problem]:
        if type(value) is not kind:
            yield _bad_type(name, words)

    return check


def _bad_type(name: str, words: str) -> Problem:
    return _refuse("bad-type", (name,), f"{name} must be {words}", f"write {words}, or remove the field")


def _number(low: float, high: float) -> Check:
    words = f"a number from {low:g} to {high:g}"

    def check(name: str, value: object) -> Iterator[Problem]:
        if type(value) is not int and type(value) is not float:
            yield _bad_type(name, words)
        elif not low <= value <= high:
            yield _refuse("bad-value", (name,), f"{name} must be {words}", f"write {words}")

    return check


def _whole(low: int, high: int | None = None) -> Check:
    words = f"a whole number from {low}" + ("" if high is None else f" to {high}")

    def check(name: str, value: object) -> Iterator[Problem]:
        if type(value) is not int:
            yield _bad_type(name, words)
        elif value < low or (high is not None and value > high):
            yield _refuse("bad-value", (name,), f"{name} must be {words}", f"write {words}")

    return check


def _ignored(name: str, _value: object) -> Iterator[Problem]:
    yield _warn("ignored-field", name, f"the API ignores {name}", "remove the field")


def _deferred(name: str, _value: object) -> Iterator[Problem]:
    reason = "deferred is not for the job to set; every job is sent deferred"
    yield _refuse("deferred-in-body", (name,), reason, "remove the field")


def _stream(name: str, value: object) -> Iterator[Problem]:
    if value is True:
        yield _refuse("stream", (name,), "a deferred answer cannot be streamed", "remove stream")
    elif value is not False:
        yield _bad_type(name, "true or false")


def _search(name: str, _value: object) -> Iterator[Problem]:
    yield _refuse(
        "search-parameters", (name,), "the API removed Live Search; it answers 410", "remove the field"
    )


def _choices(name: str, value: object) -> Iterator[Problem]:
    if type(value) is not int or value < 1:
        yield _bad_type(name, "the whole number 1")
    elif value > 1:
        reason = f"n is {value}; one job has one answer"
        yield _refuse("several-choices", (name,), reason, "remove n, and write the job as several lines")


def _max_tokens(name: str, value: object) -> Iterator[Problem]:
    yield from _whole(1)(name, value)
    yield _warn("deprecated-field", name, "max_tokens is deprecated", "write max_completion_tokens")


def _stop(name: str, value: object) -> Iterator[Problem]:
    if type(value) is not list or any(type(text) is not str for text in value):
        yield _bad_type(name, "a list of strings")
    elif len(value) > STOPS_MAX:
        yield _refuse("bad-value", (name,), f"stop has {len(value)} strings", f"give at most {STOPS_MAX}")


def _service_tier(name: str, value: object) -> Iterator[Problem]:
    if type(value) is not str:
        yield _bad_type(name, "a string")
    elif value == "priority":
        reason = "service_tier priority doubles the price of every token"
        yield _warn("priority-price", name, reason, "remove the field if nobody waits for the answer")


def _response_format(name: str, value: object) -> Iterator[Problem]:
    kind = value.get("type") if type(value) is dict else None
    if type(value) is not dict or kind not in ("text", "json_object", "json_schema"):
        fix = 'write {"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}'
        yield _refuse(
            "bad-type", (name,), "response_format must have the type text, json_object or json_schema", fix
        )
    elif kind == "json_schema":
        yield from _json_schema(name, value.get("json_schema"))


def _json_schema(name: str, described: object) -> Iterator[Problem]:
    schema = described.get("schema") if type(described) is dict else None
    where: Path = (name, "json_schema", "schema")
    if type(schema) is not dict:
        fix = 'write "json_schema": {"name": "...", "schema": {"type": "object", ...}}'
        yield _refuse("bad-schema", where, "response_format has no json_schema.schema object", fix)
    else:
        yield from schema_problems("the schema is", schema, where)


_flag: Final = _of_type(bool, "true or false")
_text: Final = _of_type(str, "a string")

_CHECKS: Final[dict[str, Check]] = {
    "deferred": _deferred,
    "frequency_penalty": _number(-2, 2),
    "guidelines": _any,
    "logit_bias": _ignored,
    "logprobs": _flag,
    "max_completion_tokens": _whole(1),
    "max_tokens": _max_tokens,
    "n": _choices,
    "parallel_tool_calls": _flag,
    "presence_penalty": _number(-2, 2),
    "prompt_cache_key": _text,  # as the header x-grok-conv-id: ChatRequest of xAI's TypeScript SDK
    "reasoning_effort": _text,
    "response_format": _response_format,
    "safety_identifier": _text,
    "search_parameters": _search,
    "seed": _of_type(int, "a whole number"),
    "service_tier": _service_tier,
    "stop": _stop,
    "stream": _stream,
    "stream_options": _ignored,
    "temperature": _number(0, 2),
    "tool_choice": choice_form_problems,
    "tools": tools_problems,
    "top_logprobs": _whole(0, 8),
    "top_p": _number(0, 1),
    "user": _text,
    "web_search_options": _ignored,
}
