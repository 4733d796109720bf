"""Checks of the fields `tools` and `tool_choice` of a request body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened
from runner.rules.requests.connection_fields import tool_problems
from runner.rules.requests.schemas import schema_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOOLS_MAX: Final = 350  # ChatRequest of xAI's TypeScript SDK; 128 before
_TOOLS_NAMED: Final = 5
_TOOL_FIX: Final = 'write {"type": "function", "function": {"name": "...", "parameters": {...}}}'


def choice_form_problems(name: str, value: object) -> Iterator[Problem]:
    """Yield the refusal of a tool_choice that has none of its forms."""
    if type(value) is str and value in ("none", "auto", "required"):
        return
    function = value.get("function") if type(value) is dict else None
    if type(function) is not dict or type(function.get("name")) is not str:
        fix = 'write {"type": "function", "function": {"name": "..."}}'
        reason = "tool_choice must be none, auto, required or a named function"
        yield _refuse("bad-type", (name,), reason, fix)


def choice_problems(choice: object, tools: object) -> Iterator[Problem]:
    """Yield the refusal of a choice that no tool of the body can fulfil."""
    wanted, names = _name_of(choice), list(filter(None, map(_name_of, tools if type(tools) is list else [])))
    given = ", ".join(map(shortened, names[:_TOOLS_NAMED]))
    if choice == "required" and not names:
        reason, fix = "tool_choice is required, but there are no tools", "give tools, or remove tool_choice"
        yield _refuse("tool-choice", ("tool_choice",), reason, fix)
    elif wanted is not None and wanted not in names:
        reason = f'tool_choice names "{shortened(wanted)}", which is not among the tools'
        fix = f"name one of them: {given}" if names else "give this tool, or remove tool_choice"
        yield _refuse("tool-choice", ("tool_choice",), reason, fix)


def _name_of(value: object) -> str | None:
    """Return the name of the function of a tool or a choice; None where it has none."""
    function = value.get("function") if type(value) is dict else None
    name = function.get("name") if type(function) is dict else None
    return name if type(name) is str else None


def tools_problems(name: str, tools: object) -> Iterator[Problem]:
    """Yield the problems of the list of tools, and of each of them."""
    if type(tools) is not list:
        yield _refuse("bad-type", (name,), "tools must be a list", "write a list, or remove the field")
        return
    if len(tools) > _TOOLS_MAX:
        reason = f"{len(tools)} tools; the API takes {_TOOLS_MAX}"
        yield _refuse("too-many-tools", (name,), reason, "give fewer tools")
    for place, tool in enumerate(tools):
        yield from _tool((name, place), tool)


def _tool(path: Path, tool: object) -> Iterator[Problem]:
    kind = tool.get("type") if type(tool) is dict else None
    if type(tool) is dict:
        yield from tool_problems(path, tool)
    if type(tool) is not dict or type(kind) is not str:
        yield _refuse("bad-tool", path, "a tool must be an object with a type", _TOOL_FIX)
    elif kind == "live_search":
        yield _refuse(
            "search-parameters", path, "the API removed Live Search; it answers 410", "remove the tool"
        )
    elif kind != "function":
        reason = f'chat completions take functions only, no tool of the type "{shortened(kind)}"'
        fix = "remove it (web_search and the like are of the Responses API), or write a function"
        yield _refuse("unknown-tool", path, reason, fix)
    elif "function" not in tool and type(tool.get("name")) is str:
        reason = "the function stands beside its type, as in the Responses API"
        yield _refuse("bad-tool", path, reason, f'move it into "function": {_TOOL_FIX}')
    else:
        yield from _function((*path, "function"), tool.get("function"))


def _function(path: Path, function: object) -> Iterator[Problem]:
    if type(function) is not dict or type(function.get("name")) is not str or not function["name"]:
        yield _refuse("bad-tool", path, "a function must have a name", _TOOL_FIX)
        return
    parameters = function.get("parameters")
    where: Path = (*path, "parameters")
    if type(parameters) is not dict:
        fix = 'write {"type": "object", "properties": {...}}'
        reason = f'the function "{shortened(function["name"])}" has no parameters schema'
        yield _refuse("bad-schema", where, reason, fix)
    else:
        yield from schema_problems("the parameters are", parameters, where)


def _refuse(code: str, path: Path, reason: str, fix: str) -> Problem:
    return Problem(code=code, path=path, reason=reason, fix=fix)
