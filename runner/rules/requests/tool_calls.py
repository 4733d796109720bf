"""Checks of the tool calls that an assistant's message repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.diagnostics import Path, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_CALL_FIX: Final = (
    'write {"id": "...", "type": "function", "function": {"name": "...", "arguments": "{...}"}}'
)


def tool_call_problems(calls: object, path: Path) -> Iterator[Problem]:
    """Yield the problems of the value of `tool_calls`, at `path` in the body; null counts as absent."""
    if calls is None:
        return
    if type(calls) is not list:
        yield Problem(code="bad-type", path=path, reason="tool_calls must be a list", fix=_CALL_FIX)
        return
    for place, call in enumerate(calls):
        yield from _call_problems(call, (*path, place))


def _call_problems(call: Any, path: Path) -> Iterator[Problem]:
    function = call.get("function") if type(call) is dict else None
    if type(function) is not dict or type(function.get("name")) is not str:
        reason = "a tool call must be an object with a function and its name"
        yield Problem(code="bad-tool-call", path=path, reason=reason, fix=_CALL_FIX)
        return
    arguments = function.get("arguments")
    where: Path = (*path, "function", "arguments")
    if type(arguments) is not str:
        reason = "the arguments of a tool call must be JSON in a string"
        yield Problem(code="bad-tool-call", path=where, reason=reason, fix=_CALL_FIX)
    elif not _is_json(arguments):
        reason = "the arguments of a tool call are no JSON"
        fix = 'write them as the model gave them; none are "{}"'
        yield Problem(code="bad-tool-call", path=where, reason=reason, fix=fix)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
