"""Tools of the Gemini API and their choice, as chat completions have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import refusal
from runner.rules.foreign.content_parts import function_tool, named_choice
from runner.rules.foreign.effects import NOT_OF_FUNCTIONS
from runner.rules.foreign.gemini_schema import camel_keys, json_schema_of
from runner.rules.foreign.tool_choices import built_in_tool
from runner.rules.foreign.typed import drop_unknown, list_of, object_of, text_of, unknown_names

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes

_MODES: Final = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}
_OF_FUNCTION: Final = ("name", "description", "parameters", "parametersJsonSchema")


def gemini_tools(request: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return `tools` and `tool_choice` for a request with camel-case names. Raises CannotConvert."""
    tools: list[dict[str, Any]] = []
    for place, tool in enumerate(list_of(request.get("tools", []), "tools")):
        given = camel_keys(object_of(tool, f"tools[{place}]"))
        for name in unknown_names(given, ("functionDeclarations",)):
            raise built_in_tool(name)
        declared = list_of(given.get("functionDeclarations", []), f"tools[{place}].functionDeclarations")
        tools += [_function(one, f"tools[{place}]", changes) for one in declared]
    made: dict[str, Any] = {"tools": tools} if tools else {}
    if "toolConfig" in request:
        made = _with_choice(made, request["toolConfig"], changes)
    if tools:
        changes.translated("tools", "functionDeclarations are written as functions")
    return made


def _function(function: object, where: str, changes: Changes) -> dict[str, Any]:
    given = camel_keys(object_of(function, where))
    for name in unknown_names(given, _OF_FUNCTION):
        changes.dropped(f"tools.{name}", NOT_OF_FUNCTIONS)
    parameters = given.get("parametersJsonSchema")
    if "parameters" in given:
        parameters = json_schema_of(given["parameters"], f"{where}.parameters", changes)
    return function_tool(
        text_of(given.get("name"), f"{where}.name"), given.get("description"), parameters, changes
    )


def _with_choice(made: dict[str, Any], config: object, changes: Changes) -> dict[str, Any]:
    given = camel_keys(object_of(config, "toolConfig"))
    for name in unknown_names(given, ("functionCallingConfig",)):
        changes.dropped(f"toolConfig.{name}", NOT_OF_FUNCTIONS)
    calling = camel_keys(
        object_of(given.get("functionCallingConfig", {}), "toolConfig.functionCallingConfig")
    )
    drop_unknown(calling, ("mode", "allowedFunctionNames"), "toolConfig", changes)
    mode = _mode(calling.get("mode", "AUTO"))
    names = list_of(calling.get("allowedFunctionNames", []), "toolConfig.allowedFunctionNames")
    if not made:
        changes.dropped("toolConfig", "the request has no tools")
        return made
    changes.translated("toolConfig", "written as tool_choice")
    if names and mode != "NONE":
        allowed = [tool for tool in made["tools"] if tool["function"]["name"] in names]
        made = {**made, "tools": allowed}
    if mode == "ANY" and len(names) == 1:
        return {**made, "tool_choice": named_choice(text_of(names[0], "toolConfig.allowedFunctionNames"))}
    return {**made, "tool_choice": _MODES[mode]}


def _mode(mode: object) -> str:
    if isinstance(mode, str) and mode in _MODES:
        return mode
    raise refusal(
        "bad-value", "toolConfig has none of the modes AUTO, ANY, NONE, VALIDATED", "write one of them"
    )
