"""Bodies of Anthropic's Messages API, written as bodies of chat completions.

Source: the types of Anthropic's Python client 2.x (`message_create_params` and its blocks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, refusal, stored_elsewhere
from runner.rules.foreign.content_parts import (
    CACHE_EFFECT,
    assistant_message,
    content_of,
    embedded_image,
    function_tool,
    image_part,
    named_choice,
    text_part,
    tool_call,
)
from runner.rules.foreign.efforts import effort_of_budget
from runner.rules.foreign.tool_choices import built_in_tool
from runner.rules.foreign.typed import json_text, list_of, object_of, text_of, unknown_names, without_nulls
from runner.rules.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message, Part

_MOVED: Final = frozenset(
    (
        *("system", "messages", "stop_sequences", "thinking", "output_config", "output_format", "tools"),
        *("tool_choice", "metadata", "prefill", "mcp_servers"),
        *("anthropic_version", "anthropic_beta", "betas"),
    )
)
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_OF_BLOCK: Final = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source", "title", "context"),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id", "content"),
}
_OF_TOOL: Final = ("type", "name", "description", "input_schema", "strict")
_PREFILL: Final = (
    "the assistant's beginning stands in the prompt, but xAI answers it and does not continue it"
)


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
            changes.dropped(name, "it names a version of the other service")
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
        changes.dropped("thinking", "the model reasons as much as it does by default")


def _format(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    config = object_of(body.get("output_config", {}), "output_config")
    form = config.get("format") or body.get("output_format")
    if form is None:
        return
    where = "output_config.format"
    schema = object_of(object_of(form, where).get("schema"), f"{where}.schema")
    chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
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
        effect = CACHE_EFFECT if name == "cache_control" else "xAI's functions do not have it"
        changes.dropped(f"tools.{name}", effect)
    name = text_of(given.get("name"), f"{where}.name")
    made = function_tool(name, given.get("description"), given.get("input_schema"), changes)
    if given.get("strict") is not None:
        made["function"]["strict"] = given["strict"]
    return made


def _messages(body: dict[str, Any], changes: Changes) -> list[Message]:
    made: list[Message] = []
    blocks = _Blocks(changes)
    if "system" in body:
        made.append({"role": "system", "content": blocks.content(body["system"], "system")})
        changes.translated("system", "sent as the first message, of the role system")
    messages = list_of(body.get("messages"), "messages")
    for place, message in enumerate(messages):
        made += blocks.messages(object_of(message, f"messages[{place}]"), f"messages[{place}]")
    if made and made[-1]["role"] == "assistant":
        changes.translated("messages", _PREFILL)
    return made


class _Blocks:
    """Content blocks as parts, calls and results."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def messages(self, message: Message, where: str) -> list[Message]:
        """Return the messages that one becomes: results of tools are messages of their own."""
        role, content = message.get("role"), message.get("content")
        if not isinstance(content, list):
            return [{"role": role, "content": content}]
        made: list[Message] = []
        parts: list[Part] = []
        calls: list[dict[str, Any]] = []
        for place, block in enumerate(content):
            at = f"{where}.content[{place}]"
            given = object_of(block, at)
            if given.get("type") == "tool_result":
                made += _flushed(role, parts)
                made.append(self._result(given, at))
            elif given.get("type") == "tool_use":
                calls.append(self._call(given, at))
            else:
                parts += self._parts(given, at)
        if role == "assistant":
            return [*made, assistant_message(parts, calls)]
        return [*made, *_flushed(role, parts)] or [{"role": role, "content": ""}]

    def content(self, content: object, where: str) -> str | list[Part]:
        """Return the content of a text or of blocks without calls."""
        if isinstance(content, str):
            return content
        blocks = [object_of(block, where) for block in list_of(content, where)]
        return content_of([part for block in blocks for part in self._parts(block, where)])

    def _parts(self, block: dict[str, Any], where: str) -> list[Part]:
        kind = block.get("type")
        self._drop_unknown(block)
        if kind == "text":
            return [text_part(text_of(block.get("text"), f"{where}.text"))]
        if kind == "image":
            return [_image(object_of(block.get("source"), f"{where}.source"), where)]
        if kind == "document":
            return self._document(block, where)
        if kind in ("thinking", "redacted_thinking"):
            self._changes.dropped(f"messages.{kind}", "the model does not see its earlier reasoning")
            return []
        raise no_counterpart(f"content block of the type {shortened(str(kind))} ({where})")

    def _document(self, block: dict[str, Any], where: str) -> list[Part]:
        source = object_of(block.get("source"), f"{where}.source")
        heads = [text_part(text_of(block[name], where)) for name in ("title", "context") if block.get(name)]
        if source.get("type") == "text":
            self._changes.translated("messages.document", "sent as text, after its title and context")
            return [*heads, text_part(text_of(source.get("data"), f"{where}.source.data"))]
        if source.get("type") == "content":
            self._changes.translated("messages.document", "sent as text, after its title and context")
            content = self.content(source.get("content"), f"{where}.source.content")
            return [*heads, *([text_part(content)] if isinstance(content, str) else content)]
        if source.get("type") == "file":
            raise stored_elsewhere(f"{where}.source.file_id", "Anthropic")
        fix = "write the text of the document into the prompt"
        raise no_counterpart(
            f"document of the type {shortened(str(source.get('media_type')))} ({where})", fix
        )

    def _call(self, block: dict[str, Any], where: str) -> dict[str, Any]:
        self._drop_unknown(block)
        self._changes.translated("messages.tool_use", "written as a tool call")
        call_id = text_of(block.get("id"), f"{where}.id")
        return tool_call(
            call_id, text_of(block.get("name"), f"{where}.name"), json_text(block.get("input", {}))
        )

    def _result(self, block: dict[str, Any], where: str) -> Message:
        if block.get("is_error"):
            self._changes.dropped(
                "messages.tool_result.is_error", "the model sees only the text of the failure"
            )
        self._drop_unknown({name: field for name, field in block.items() if name != "is_error"})
        self._changes.translated("messages.tool_result", "written as a message of the role tool")
        content = block.get("content")
        return {
            "role": "tool",
            "tool_call_id": text_of(block.get("tool_use_id"), f"{where}.tool_use_id"),
            "content": "" if content is None else self.content(content, f"{where}.content"),
        }

    def _drop_unknown(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        known = _OF_BLOCK.get(kind) if isinstance(kind, str) else None
        for name in unknown_names(block, ("type", *known)) if known else ():
            effect = CACHE_EFFECT if name == "cache_control" else "xAI's content does not have it"
            self._changes.dropped(f"messages.{kind}.{name}", effect)


def _flushed(role: object, parts: list[Part]) -> list[Message]:
    """Return the message of the parts so far, none without parts; the list is empty afterwards."""
    content = content_of(parts)
    had_parts = bool(parts)
    parts.clear()
    return [{"role": role, "content": content}] if had_parts else []


def _image(source: dict[str, Any], where: str) -> Part:
    kind = source.get("type")
    if kind == "base64":
        media_type = text_of(source.get("media_type"), f"{where}.source.media_type")
        return embedded_image(media_type, text_of(source.get("data"), f"{where}.source.data"), where)
    if kind == "url":
        return image_part(text_of(source.get("url"), f"{where}.source.url"))
    if kind == "file":
        raise stored_elsewhere(f"{where}.source.file_id", "Anthropic")
    raise no_counterpart(f"image from a source of the type {shortened(str(kind))} ({where})")
