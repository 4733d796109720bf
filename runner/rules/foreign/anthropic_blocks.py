"""Content blocks of Anthropic's messages as parts, calls and results of chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, stored_elsewhere
from runner.rules.foreign.content_parts import (
    assistant_message,
    content_of,
    embedded_image,
    image_part,
    text_part,
    tool_call,
)
from runner.rules.foreign.effects import CACHED, NO_EARLIER_REASONING
from runner.rules.foreign.typed import drop_unknown, json_text, list_of, object_of, text_of, unknown_names
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message, Part

OF_BLOCK: Final = {  # fields of the kinds of blocks
    "text": ("text",),
    "image": ("source",),
    "document": ("source", "title", "context"),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id", "content"),
}
_OF_SOURCE: Final = ("type", "media_type", "data", "url", "content", "file_id")


class AnthropicBlocks:
    """Content blocks as parts, calls and results."""

    def __init__(self, changes: Changes) -> None:
        """Convert nothing yet."""
        self._changes = changes

    def messages(self, message: Message, where: str) -> list[Message]:
        """Return the messages that one becomes: results of tools are messages of their own."""
        drop_unknown(message, ("role", "content"), "messages", self._changes)
        role, content = message.get("role"), message.get("content")
        if not isinstance(content, list) or not content:
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
        return [*made, *_flushed(role, parts)]

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
            return [_image(self._source(block, where), where)]
        if kind == "document":
            return self._document(block, where)
        if kind in ("thinking", "redacted_thinking"):
            self._changes.dropped(f"messages.{kind}", NO_EARLIER_REASONING)
            return []
        raise no_counterpart(f"content block of the type {shortened(str(kind))} ({where})")

    def _source(self, block: dict[str, Any], where: str) -> dict[str, Any]:
        source = object_of(block.get("source"), f"{where}.source")
        drop_unknown(source, _OF_SOURCE, f"{where}.source", self._changes)
        return source

    def _document(self, block: dict[str, Any], where: str) -> list[Part]:
        source = self._source(block, where)
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
        known = OF_BLOCK.get(kind) if isinstance(kind, str) else None
        for name in unknown_names(block, ("type", *known)) if known else ():
            effect = CACHED if name == "cache_control" else "xAI's content does not have it"
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
