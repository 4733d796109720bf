"""Request body checks: refuses wrong forms, types and parameters, with the statuses of xAI.

415 and 400 if the body is not JSON, 422 for missing fields and wrong types, 410 for Live Search, 400 for
values and for parameters that the model rejects. Unknown fields are ignored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from runner.simulator.images import image_error
from runner.simulator.replies import Refusal
from runner.simulator.schema_checks import schema_error

if TYPE_CHECKING:
    from runner.simulator.models import Model

Body = dict[str, Any]

JSON = "application/json"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
PARTS = {"text": ("text", str), "image_url": ("image_url", dict), "file": ("file", dict)}
FORMATS = ("text", "json_object", "json_schema")
TOOL_CHOICES = ("none", "auto", "required")
TOOLS_MAX = 350
CHOICES_MAX = 128
STOPS_MAX = 4
PENALTIES = {"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}


class _Field(NamedTuple):
    """Rule for a known field: its types and, for numbers, its range."""

    wanted: str  # the type in words, for the error message
    kinds: tuple[type, ...]
    least: float = -math.inf
    most: float = math.inf


_FLAG, _TEXT = _Field("a boolean", (bool,)), _Field("a string", (str,))
_WHOLE, _NUMBER = _Field("an integer", (int,)), _Field("a number", (int, float))
_NUMBERS = _NUMBER.kinds
_LIST, _MAP = _Field("a sequence", (list,)), _Field("a map", (dict,))
_FIELDS: dict[str, _Field] = {
    "model": _TEXT,
    "messages": _LIST,
    "deferred": _FLAG,
    "stream": _FLAG,
    "stream_options": _MAP,
    "n": _WHOLE._replace(least=1, most=CHOICES_MAX),
    "max_tokens": _WHOLE._replace(least=1),
    "max_completion_tokens": _WHOLE._replace(least=1),
    "temperature": _NUMBER._replace(least=0, most=2),
    "top_p": _NUMBER._replace(least=0, most=1),
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "seed": _WHOLE,
    "stop": _LIST,
    "service_tier": _TEXT,
    "safety_identifier": _TEXT,
    "user": _TEXT,
    "prompt_cache_key": _TEXT,
    "reasoning_effort": _TEXT,
    "logprobs": _FLAG,
    "top_logprobs": _WHOLE._replace(least=0, most=8),
    "parallel_tool_calls": _FLAG,
    "tools": _LIST,
    "tool_choice": _Field("a string or a map", (str, dict)),
    "response_format": _MAP,
}


def parse(content_type: str | None, raw: bytes) -> Body:
    """Return the body as a dict without null fields. Raise Refusal if a known field has a wrong type."""
    body = {name: field for name, field in _decode(content_type, raw).items() if field is not None}
    for name, field in body.items():
        rule = _FIELDS.get(name)
        if rule is not None:
            _check_field(name, field, rule)
    return body


def _decode(content_type: str | None, raw: bytes) -> Body:
    if content_type != JSON and not _is_json(content_type or ""):
        raise Refusal(415, "invalid-argument", "Expected a request with Content-Type: application/json")
    if not raw:
        raise Refusal(415, "invalid-argument", "Expected a JSON request body, it is empty")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "invalid-argument", f"Failed to parse the request body as JSON: {error}") from None
    if not isinstance(value, dict):
        raise _mistyped("the body", "a map")
    return value


def check(body: Body) -> None:
    """Raise Refusal for what no model accepts."""
    for name in ("messages", "model"):
        if name not in body:
            raise Refusal(422, "invalid-argument", _DESERIALIZE + f"missing field `{name}`")
    if "search_parameters" in body:
        raise Refusal(410, "gone", "Live Search has been removed: use the server-side search tools instead.")
    _check_messages(body["messages"])
    if body.get("stream") and body.get("deferred"):
        raise _invalid("stream is not supported together with deferred.")
    if "stop" in body:
        _check_stop(body["stop"])
    if "tools" in body or "tool_choice" in body:
        _check_tools(body)
    if "response_format" in body:
        _check_format(body["response_format"])


def check_for(model: Model, body: Body) -> None:
    """Raise Refusal for parameters that this model does not accept."""
    for name, word in PENALTIES.items():
        if name in body:
            raise _invalid(f"Model {model.id} does not support parameter {word}.")
    if "stop" in body and not model.stop:
        raise _invalid(f"Model {model.id} does not support parameter stop.")
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in model.efforts:
        detail = f" value {effort}" if model.efforts else ""
        raise _invalid(f"Model {model.id} does not support parameter reasoningEffort{detail}.")


def check_prompt(model: Model, prompt_tokens: int) -> None:
    """Raise Refusal if the prompt is longer than the model's context."""
    if prompt_tokens > model.context:
        raise _invalid(
            f"This model's maximum prompt length is {model.context} tokens, the request has {prompt_tokens}."
        )


_DESERIALIZE = "Failed to deserialize the JSON body into the target type: "


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == JSON


def _check_field(name: str, value: Any, rule: _Field) -> None:
    kind = type(value)  # exact type, so that a bool is no number
    if kind not in rule.kinds:
        raise _mistyped(name, rule.wanted)
    if kind in _NUMBERS and not rule.least <= value <= rule.most:
        raise _invalid(f"{name} must be between {rule.least} and {rule.most}.")


def _mistyped(where: str, wanted: str) -> Refusal:
    return Refusal(422, "invalid-argument", f"{_DESERIALIZE}{where}: invalid type, expected {wanted}")


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid-argument", message)


def _check_messages(messages: list[object]) -> None:
    if not messages:
        raise _invalid("messages must not be empty.")
    for at, message in enumerate(messages):
        _check_message(f"messages[{at}]", message)


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict):
        raise _mistyped(where, "a map")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise Refusal(422, "invalid-argument", f"{_DESERIALIZE}{where}.role: unknown or missing role")
    calls = message.get("tool_calls")
    if calls is not None:
        _check_tool_calls(f"{where}.tool_calls", calls)
    is_call = role == "assistant" and bool(calls)
    _check_content(f"{where}.content", message.get("content"), is_call=is_call)


def _check_content(where: str, content: object, *, is_call: bool) -> None:
    if content == [] or (content is None and is_call):
        raise _invalid("Each message must have at least one content element.")
    if content is None:
        raise Refusal(422, "invalid-argument", f"{_DESERIALIZE}{where}: missing field `content`")
    if isinstance(content, list):
        for at, part in enumerate(content):
            _check_part(f"{where}[{at}]", part)
    elif not isinstance(content, str):
        raise _mistyped(where, "a string or a sequence")


def _check_part(where: str, part: object) -> None:
    rule = PARTS.get(part.get("type", "")) if isinstance(part, dict) else None
    if rule is None or not isinstance(part, dict):
        raise _mistyped(where, f"a map with a type among {', '.join(PARTS)}")
    field, kind = rule
    if not isinstance(part.get(field), kind):
        raise _mistyped(f"{where}.{field}", "a string" if kind is str else "a map")
    if field == "image_url":
        _check_image(f"{where}.image_url", part[field])


def _check_image(where: str, image: Body) -> None:
    if image.get("url") is None and isinstance(image.get("file_id"), str):
        return
    if not isinstance(image.get("url"), str):
        raise _mistyped(f"{where}.url", "a string")
    if error := image_error(image["url"]):
        raise _invalid(error)


def _check_tool_calls(where: str, calls: object) -> None:
    if not isinstance(calls, list):
        raise _mistyped(where, "a sequence")
    for at, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _mistyped(f"{where}[{at}].function.name", "a string")
        if not isinstance(function.get("arguments"), str):
            raise _mistyped(f"{where}[{at}].function.arguments", "a string")
        try:
            orjson.loads(function["arguments"])
        except orjson.JSONDecodeError:
            raise _invalid(f"{where}[{at}].function.arguments is not valid JSON.") from None


def _check_stop(stop: list[object]) -> None:
    if any(not isinstance(word, str) for word in stop):
        raise _mistyped("stop", "strings")
    if len(stop) > STOPS_MAX:
        raise _invalid(f"At most {STOPS_MAX} stop sequences are supported.")


def _check_tools(body: Body) -> None:
    tools = body.get("tools", [])
    if len(tools) > TOOLS_MAX:
        raise _invalid(f"At most {TOOLS_MAX} tools are supported, the request has {len(tools)}.")
    names = [_tool_name(f"tools[{at}]", tool) for at, tool in enumerate(tools)]
    if "tool_choice" in body:
        _check_tool_choice(body["tool_choice"], names)


def _check_tool_choice(choice: str | Body, names: list[str]) -> None:
    if isinstance(choice, str):
        if choice not in TOOL_CHOICES:
            raise Refusal(422, "invalid-argument", f"{_DESERIALIZE}tool_choice: unknown variant")
        if choice == "required" and not names:
            raise _invalid("tool_choice is required but there are no tools.")
        return
    function = choice.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _mistyped("tool_choice.function.name", "a string")
    if function["name"] not in names:
        raise _invalid(f"tool_choice names {function['name']}, which is not among the tools.")


def _tool_name(where: str, tool: object) -> str:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise _mistyped(where, "a map of type function")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _mistyped(f"{where}.function.name", "a string")
    if not isinstance(function.get("parameters"), dict):
        raise _mistyped(f"{where}.function.parameters", "a map")
    _check_schema(f"{where}.function.parameters", function["parameters"])
    return str(function["name"])


def _check_format(response_format: Body) -> None:
    if response_format.get("type") not in FORMATS:
        raise Refusal(422, "invalid-argument", f"{_DESERIALIZE}response_format.type: unknown variant")
    if response_format["type"] != "json_schema":
        return
    named = response_format.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict | bool):
        raise _mistyped("response_format.json_schema.schema", "a map")
    _check_schema("response_format.json_schema.schema", named["schema"])


def _check_schema(where: str, schema: object) -> None:
    error = schema_error(orjson.dumps(schema))
    if error:
        raise _invalid(f"Invalid JSON schema at {where}: {error}")
