"""Bodies of Anthropic's Messages API, written as bodies of chat completions.

Source: the types of Anthropic's Python client 2.x (`message_create_params` and its blocks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.anthropic_blocks import OF_BLOCK, AnthropicBlocks
from runner.rules.foreign.changes import no_counterpart, refusal
from runner.rules.foreign.content_parts import function_tool, named_choice, schema_format
from runner.rules.foreign.effects import (
    AS_FIRST_MESSAGE,
    CACHED,
    DEFAULT_REASONING,
    NOT_OF_FUNCTIONS,
    OTHER_VERSION,
)
from runner.rules.foreign.efforts import effort_of_budget
from runner.rules.foreign.tool_choices import built_in_tool
from runner.rules.foreign.typed import drop_unknown, list_of, object_of, text_of, unknown_names, without_nulls
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message

_MOVED: Final = frozenset(
    (
        *("system", "messages", "stop_sequences", "thinking", "output_config", "output_format", "tools"),
        *("tool_choice", "metadata", "prefill", "mcp_servers"),
        *("anthropic_version", "anthropic_beta", "betas"),
    )
)
_OF_ANTHROPIC: Final = frozenset({"system", "stop_sequences", "anthropic_version", "anthropic_beta"})
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_OF_TOOL: Final = ("type", "name", "description", "input_schema", "strict")
_PREFILL: Final = (
    "the assistant's beginning stands in the prompt, but xAI answers it and does not continue it"
)


def is_anthropic(body: dict[str, Any]) -> bool:
    """Return whether a body with messages has what Anthropic's form alone has; else it is OpenAI's.

    `system` counts: a body of chat completions has it among its messages.
    """
    messages, tools = body.get("messages"), body.get("tools")
    if not isinstance(messages, list):
        return False
    if _OF_ANTHROPIC & body.keys() or "input_schema" in _keys_within(tools):
        return True
    return any(_has_own_blocks(message) for message in messages)


def _has_own_blocks(message: object) -> bool:
    """Return whether the content of a message has a block that is of Anthropic's form alone."""
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else []
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    return any(isinstance(kind, str) and kind in OF_BLOCK and kind != "text" for kind in kinds)


def _keys_within(values: object) -> set[str]:
    """Return the keys of all objects of a list."""
    listed = values if isinstance(values, list) else []
    return {key for value in listed if isinstance(value, dict) for key in value}


def chat_of_anthropic(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of chat completions that asks for the same. Raises CannotConvert."""
    body = without_nulls(body)
    chat = {name: field for name, field in body.items() if name not in _MOVED}
    if body.get("mcp_servers"):
        raise built_in_tool("mcp_servers")
    if "prefill" in body:
        raise no_counterpart("prefill", "write the beginning as the last message, of the role assistant")
    for name in ("anthropic_version", "anthropic_beta", "betas"):
        if name in body:
            changes.dropped(name, OTHER_VERSION)
    _stops(body, chat, changes)
    _effort(body, chat, changes)
    _format(body, chat, changes)
    _user(body, chat, changes)
    _tools(body, chat, changes)
    return {**chat, "messages": _messages(body, changes)}


def _stops(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    if body.get("stop_sequences"):
        chat["stop"] = list_of(body["stop_sequences"], "stop_sequences")
        changes.translated("stop_sequences", "written as stop")


def _effort(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    """Write `thinking` as an effort; a word for the effort counts before a budget."""
    thinking = object_of(body.get("thinking", {}), "thinking")
    config = object_of(body.get("output_config", {}), "output_config")
    drop_unknown(thinking, ("type", "budget_tokens"), "thinking", changes)
    drop_unknown(config, ("effort", "format"), "output_config", changes)
    kind, budget, word = thinking.get("type"), thinking.get("budget_tokens"), config.get("effort")
    if kind == "disabled":
        chat["reasoning_effort"] = "none"
    elif word is not None:
        chat["reasoning_effort"] = text_of(word, "output_config.effort")
    elif type(budget) is int:
        chat["reasoning_effort"] = effort_of_budget(max(budget, 1))
    if word is not None:
        changes.translated("output_config.effort", "written as reasoning_effort")
    if thinking and "reasoning_effort" in chat:
        effort = shortened(chat["reasoning_effort"])
        changes.translated("thinking", f"written as reasoning_effort {effort}")
    elif thinking:
        changes.dropped("thinking", DEFAULT_REASONING)


def _format(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    config = object_of(body.get("output_config", {}), "output_config")
    form = config.get("format") or body.get("output_format")
    if form is None:
        return
    where = "output_config.format"
    given = object_of(form, where)
    drop_unknown(given, ("type", "schema"), where, changes)
    schema = object_of(given.get("schema"), f"{where}.schema")
    chat["response_format"] = schema_format(schema)
    changes.translated(where, "written as response_format")


def _user(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    metadata = object_of(body.get("metadata", {}), "metadata")
    if metadata.get("user_id") is not None:
        chat["user"] = metadata["user_id"]
        changes.translated("metadata.user_id", "written as user")
    for name in unknown_names(metadata, ("user_id",)):
        changes.dropped(f"metadata.{name}", "xAI has only user")


def _tools(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    if body.get("tools"):
        tools = list_of(body["tools"], "tools")
        chat["tools"] = [_tool(tool, f"tools[{place}]", changes) for place, tool in enumerate(tools)]
        changes.translated("tools", "written as functions, input_schema as their parameters")
    if "tool_choice" not in body:
        return
    choice = object_of(body["tool_choice"], "tool_choice")
    drop_unknown(choice, ("type", "name", "disable_parallel_tool_use"), "tool_choice", changes)
    kind = choice.get("type")
    if kind == "tool":
        chat["tool_choice"] = named_choice(text_of(choice.get("name"), "tool_choice.name"))
    elif isinstance(kind, str) and kind in _CHOICES:
        chat["tool_choice"] = _CHOICES[kind]
    else:
        raise refusal(
            "bad-value", "tool_choice has none of the types auto, any, tool, none", "write one of them"
        )
    if choice.get("disable_parallel_tool_use") is True:
        chat["parallel_tool_calls"] = False
    changes.translated("tool_choice", "written as chat completions have it")


def _tool(tool: object, where: str, changes: Changes) -> dict[str, Any]:
    given = object_of(tool, where)
    kind = given.get("type", "custom")
    if kind != "custom":
        raise built_in_tool(text_of(kind, f"{where}.type"))
    for name in unknown_names(given, _OF_TOOL):
        effect = CACHED if name == "cache_control" else NOT_OF_FUNCTIONS
        changes.dropped(f"tools.{name}", effect)
    name = text_of(given.get("name"), f"{where}.name")
    made = function_tool(name, given.get("description"), given.get("input_schema"), changes)
    if given.get("strict") is not None:
        made["function"]["strict"] = given["strict"]
    return made


def _messages(body: dict[str, Any], changes: Changes) -> list[Message]:
    made: list[Message] = []
    blocks = AnthropicBlocks(changes)
    if "system" in body:
        made.append({"role": "system", "content": blocks.content(body["system"], "system")})
        changes.translated("system", AS_FIRST_MESSAGE)
    messages = list_of(body.get("messages"), "messages")
    for place, message in enumerate(messages):
        made += blocks.messages(object_of(message, f"messages[{place}]"), f"messages[{place}]")
    if made and made[-1]["role"] == "assistant":
        changes.translated("messages", _PREFILL)
    return made
