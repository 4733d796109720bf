"""Tools and their choice in OpenAI's two forms, flat and nested, as chat completions have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import refusal
from runner.rules.foreign.content_parts import function_tool, named_choice
from runner.rules.foreign.effects import NOT_OF_FUNCTIONS
from runner.rules.foreign.typed import drop_unknown, list_of, object_of, text_of, unknown_names, without_nulls
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import CannotConvert, Changes

_OF_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})
_OF_TOOL: Final = _OF_FUNCTION | {"type", "function"}


def built_in_tool(kind: str) -> CannotConvert:
    """Return the error for a tool that the other service runs itself: answers would be of another kind."""
    reason = f"the tool {shortened(kind)} is run by the other service; a deferred request has functions only"
    return refusal("built-in-tool", reason, "remove the tool: the model then answers from what it knows")


def with_chat_tools(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a body of chat completions or responses with its tools and their choice in xAI's form.

    `functions` and `function_call`, which chat completions had before, become tools, too.
    """
    body = _with_functions_as_tools(body, changes)
    if "tools" in body:
        tools = [_tool(tool, f"tools[{place}]", changes) for place, tool in enumerate(_listed(body))]
        body["tools"] = tools
    if "tool_choice" in body:
        body = _with_choice(body, changes)
    if body.get("tools") == []:
        changes.dropped("tools", "the list is empty")
        body = {name: field for name, field in body.items() if name not in ("tools", "tool_choice")}
    return body


def _listed(body: dict[str, Any]) -> list[Any]:
    return list_of(body["tools"], "tools")


def _with_functions_as_tools(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    body = without_nulls(body)
    if "functions" in body:
        functions = list_of(body.pop("functions"), "functions")
        body["tools"] = [
            *body.get("tools", []),
            *({"type": "function", "function": one} for one in functions),
        ]
        changes.translated("functions", "written as tools")
    if "function_call" in body:
        choice = body.pop("function_call")
        if isinstance(choice, dict):
            drop_unknown(choice, ("name",), "function_call", changes)
        body["tool_choice"] = named_choice(choice["name"]) if _is_named(choice) else choice
        changes.translated("function_call", "written as tool_choice")
    return body


def _is_named(choice: object) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("name"), str)


def _tool(tool: object, where: str, changes: Changes) -> dict[str, Any]:
    given = object_of(tool, where)
    kind = given.get("type", "function")
    if kind != "function":
        raise built_in_tool(text_of(kind, f"{where}.type"))
    if "function" in given:
        function = object_of(given["function"], f"{where}.function")
    else:
        function = {name: field for name, field in given.items() if name != "type"}
        changes.translated("tools", "the name and parameters of a function stand under function")
    for name in (*unknown_names(function, _OF_FUNCTION), *unknown_names(given, _OF_TOOL)):
        changes.dropped(f"tools.{name}", NOT_OF_FUNCTIONS)
    name = text_of(function.get("name"), f"{where}.name")
    made = function_tool(name, function.get("description"), function.get("parameters"), changes)
    if function.get("strict") is not None:
        made["function"]["strict"] = function["strict"]
    return made


def _with_choice(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    choice = body["tool_choice"]
    if not isinstance(choice, dict):
        return body
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _with_allowed_tools(
            body, object_of(choice.get("allowed_tools", choice), "tool_choice"), changes
        )
    if kind not in ("function", None):
        raise built_in_tool(str(kind))
    if "function" not in choice and _is_named(choice):
        drop_unknown(choice, ("type", "name"), "tool_choice", changes)
        changes.translated("tool_choice", "the name of the function stands under function")
        return {**body, "tool_choice": named_choice(choice["name"])}
    return body


def _with_allowed_tools(body: dict[str, Any], allowed: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a body with the allowed tools only: xAI has no list beside the tools."""
    drop_unknown(allowed, ("type", "mode", "tools"), "tool_choice", changes)
    names = set()
    for tool in list_of(allowed.get("tools"), "tool_choice.tools"):
        given = object_of(tool, "tool_choice.tools")
        function = given.get("function", given)
        names.add(text_of(object_of(function, "tool_choice.tools").get("name"), "tool_choice.tools.name"))
    tools = [tool for tool in body.get("tools", []) if tool["function"]["name"] in names]
    changes.translated("tool_choice", "only the allowed tools are sent")
    return {**body, "tools": tools, "tool_choice": allowed.get("mode", "auto")}
