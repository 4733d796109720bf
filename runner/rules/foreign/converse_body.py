"""Bodies of Amazon Bedrock's Converse form, which Nova's models take as well, as bodies of chat completions.

Source: Bedrock's API reference on Converse, and its user guide on Nova.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, refusal, stored_elsewhere
from runner.rules.foreign.content_parts import (
    assistant_message,
    content_of,
    embedded_image,
    function_tool,
    named_choice,
    text_part,
    tool_call,
)
from runner.rules.foreign.effects import AS_FIRST_MESSAGE, CACHED, NO_EARLIER_REASONING, OTHER_VERSION
from runner.rules.foreign.tool_choices import built_in_tool
from runner.rules.foreign.typed import drop_unknown, json_text, list_of, object_of, text_of, unknown_names
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message, Part

_MOVED: Final = ("messages", "system", "inferenceConfig", "toolConfig", "modelId", "schemaVersion")
_OF_CONVERSE: Final = frozenset(
    {"inferenceConfig", "toolConfig", "schemaVersion", "additionalModelRequestFields"}
)
_NAMES: Final = {
    "maxTokens": "max_completion_tokens",
    "max_new_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "topK": "top_k",
    "top_k": "top_k",
    "stopSequences": "stop",
}


def is_converse(body: dict[str, Any]) -> bool:
    """Return whether a body has the Converse form: its blocks have no `type`, as `{"text": "..."}`."""
    if _OF_CONVERSE & body.keys():
        return True
    contents = [message.get("content") for message in body["messages"] if isinstance(message, dict)]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return bool(blocks) and all(isinstance(block, dict) and "type" not in block for block in blocks)


def chat_of_converse(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of chat completions that asks for the same. Raises CannotConvert."""
    chat = {name: field for name, field in body.items() if name not in _MOVED}
    if "schemaVersion" in body:
        changes.dropped("schemaVersion", OTHER_VERSION)
    if "modelId" in body:
        chat["model"] = body["modelId"]
    blocks = _Converse(changes)
    messages: list[Message] = []
    if "system" in body:
        messages.append({"role": "system", "content": content_of(blocks.all_parts(body["system"], "system"))})
        changes.translated("system", AS_FIRST_MESSAGE)
    for place, message in enumerate(body["messages"]):
        messages += blocks.messages(object_of(message, f"messages[{place}]"), f"messages[{place}]")
    chat |= _settings(body.get("inferenceConfig", {}), changes)
    return {**chat, **_tools(body.get("toolConfig", {}), changes), "messages": messages}


def _settings(config: object, changes: Changes) -> dict[str, Any]:
    made = {}
    for name, field in object_of(config, "inferenceConfig").items():
        made[_NAMES.get(name, name)] = field
        if name in _NAMES and _NAMES[name] != name:
            changes.translated(f"inferenceConfig.{name}", f"written as {_NAMES[name]}")
    return made


def _tools(config: object, changes: Changes) -> dict[str, Any]:
    given = object_of(config, "toolConfig")
    drop_unknown(given, ("tools", "toolChoice"), "toolConfig", changes)
    tools = []
    for place, tool in enumerate(list_of(given.get("tools", []), "toolConfig.tools")):
        tools += _tool(object_of(tool, f"toolConfig.tools[{place}]"), f"toolConfig.tools[{place}]", changes)
    made: dict[str, Any] = {"tools": tools} if tools else {}
    if tools and given.get("toolChoice") is not None:
        made["tool_choice"] = _choice(object_of(given["toolChoice"], "toolConfig.toolChoice"), changes)
    if given:
        changes.translated("toolConfig", "written as tools and tool_choice")
    return made


def _tool(tool: dict[str, Any], where: str, changes: Changes) -> list[dict[str, Any]]:
    if "cachePoint" in tool:
        drop_unknown(tool, ("cachePoint",), where, changes)
        changes.dropped("cachePoint", CACHED)
        return []
    for name in unknown_names(tool, ("toolSpec",)):
        raise built_in_tool(name)
    given = object_of(tool.get("toolSpec"), f"{where}.toolSpec")
    drop_unknown(given, ("name", "description", "inputSchema"), f"{where}.toolSpec", changes)
    schema = object_of(given.get("inputSchema", {}), f"{where}.inputSchema")
    drop_unknown(schema, ("json",), f"{where}.inputSchema", changes)
    return [
        function_tool(
            text_of(given.get("name"), f"{where}.name"), given.get("description"), schema.get("json"), changes
        )
    ]


def _choice(choice: dict[str, Any], changes: Changes) -> object:
    drop_unknown(choice, ("auto", "any", "tool"), "toolConfig.toolChoice", changes)
    if "tool" in choice:
        return named_choice(
            text_of(object_of(choice["tool"], "toolChoice.tool").get("name"), "toolChoice.tool")
        )
    if "any" in choice or "auto" in choice:
        return "required" if "any" in choice else "auto"
    raise refusal("bad-value", "toolChoice has none of auto, any and tool", "write one of them")


class _Converse:
    """Content blocks as parts, calls and results."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def messages(self, message: Message, where: str) -> list[Message]:
        """Return the messages that one becomes: results of tools are messages of their own."""
        drop_unknown(message, ("role", "content"), "messages", self._changes)
        content = message.get("content")
        if isinstance(content, str):
            return [{"role": message.get("role"), "content": content}]
        parts: list[Part] = []
        calls: list[dict[str, Any]] = []
        results: list[Message] = []
        for place, block in enumerate(list_of(content, f"{where}.content")):
            at = f"{where}.content[{place}]"
            given = object_of(block, at)
            drop_unknown(given, list(given)[:1], at, self._changes)  # a block has one kind
            if "toolUse" in given:
                calls.append(self._call(object_of(given["toolUse"], at), at))
            elif "toolResult" in given:
                results.append(self._result(object_of(given["toolResult"], at), at))
            else:
                parts += self.parts(given, at)
        if message.get("role") == "assistant":
            return [*results, assistant_message(parts, calls)]
        rest = [{"role": message.get("role"), "content": content_of(parts)}] if parts or not results else []
        return [*results, *rest]

    def all_parts(self, blocks: object, where: str) -> list[Part]:
        """Return the parts of a list of blocks without calls."""
        made: list[Part] = []
        for block in list_of(blocks, where):
            given = object_of(block, where)
            drop_unknown(given, list(given)[:1], where, self._changes)
            made += self.parts(given, where)
        return made

    def parts(self, block: dict[str, Any], where: str) -> list[Part]:
        """Return the parts of a block of text or an image; none for one that only marks the cache."""
        if "text" in block:
            return [text_part(text_of(block["text"], f"{where}.text"))]
        if "image" in block:
            self._changes.translated("messages.image", "written as data URLs")
            return [self._image(object_of(block["image"], where), where)]
        if "cachePoint" in block:
            self._changes.dropped("cachePoint", CACHED)
            return []
        if "reasoningContent" in block:
            self._changes.dropped("messages.reasoningContent", NO_EARLIER_REASONING)
            return []
        kind = shortened(next(iter(block), "empty"))
        raise no_counterpart(f"content block of the type {kind} ({where})")

    def _call(self, call: dict[str, Any], where: str) -> dict[str, Any]:
        self._changes.translated("messages.toolUse", "written as a tool call")
        drop_unknown(call, ("toolUseId", "name", "input"), f"{where}.toolUse", self._changes)
        call_id = text_of(call.get("toolUseId"), f"{where}.toolUseId")
        return tool_call(
            call_id, text_of(call.get("name"), f"{where}.name"), json_text(call.get("input", {}))
        )

    def _result(self, result: dict[str, Any], where: str) -> Message:
        if result.get("status") == "error":
            self._changes.dropped("messages.toolResult.status", "the model sees only the text of the failure")
        self._changes.translated("messages.toolResult", "written as a message of the role tool")
        drop_unknown(result, ("toolUseId", "content", "status"), f"{where}.toolResult", self._changes)
        parts: list[Part] = []
        for block in list_of(result.get("content", []), f"{where}.content"):
            given = object_of(block, f"{where}.content")
            drop_unknown(given, list(given)[:1], f"{where}.content", self._changes)
            parts += [text_part(json_text(given["json"]))] if "json" in given else self.parts(given, where)
        call_id = text_of(result.get("toolUseId"), f"{where}.toolUseId")
        return {"role": "tool", "tool_call_id": call_id, "content": content_of(parts)}

    def _image(self, image: dict[str, Any], where: str) -> Part:
        source = object_of(image.get("source"), f"{where}.image.source")
        drop_unknown(image, ("format", "source"), f"{where}.image", self._changes)
        drop_unknown(source, ("bytes", "s3Location"), f"{where}.image.source", self._changes)
        if source.get("bytes") is None:
            raise stored_elsewhere(f"{where}.image.source", "Amazon S3")
        form = text_of(image.get("format"), f"{where}.image.format")
        return embedded_image(f"image/{form}", text_of(source["bytes"], f"{where}.image.source.bytes"), where)
