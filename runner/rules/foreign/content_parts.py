"""Parts, calls, tools and formats as chat completions have them, made of those of other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.foreign.changes import Changes

Part = dict[str, Any]
Message = dict[str, Any]

_IMAGE: Final = "image/"
_PLAIN_BASE64: Final = str.maketrans("-_", "+/")


def text_part(text: str) -> Part:
    """Return a part of text."""
    return {"type": "text", "text": text}


def image_part(url: str, detail: object = None) -> Part:
    """Return a part with an image by its address; `detail` is left out where it is null."""
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


def embedded_image(media_type: str, data: str, where: str) -> Part:
    """Return a part with an image in base64. Raises CannotConvert for media that is no image.

    The characters of base64 for addresses become those of plain base64, which data URLs have.
    """
    if not media_type.startswith(_IMAGE):
        raise no_counterpart(f"input of the type {shortened(media_type)} ({where})")
    plain = data.translate(_PLAIN_BASE64) if "-" in data or "_" in data else data
    return image_part(f"data:{media_type};base64,{plain}{'=' * (-len(plain) % 4)}")


def content_of(parts: Sequence[Part]) -> str | list[Part]:
    """Return the content of a message: a single text as it is, else the list of parts."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return list(parts)


def tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a call of a function."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant_message(parts: Sequence[Part], calls: Sequence[dict[str, Any]]) -> Message:
    """Return a message of the assistant; one that only calls has an empty text, as xAI wants it."""
    message: Message = {"role": "assistant", "content": content_of(parts)}
    return message | ({"tool_calls": list(calls)} if calls else {})


def function_tool(name: str, description: object, parameters: object, changes: Changes) -> dict[str, Any]:
    """Return a tool that is a function; one without parameters gets an empty schema."""
    if parameters is None:
        changes.translated("tools", "a function without parameters gets a schema without properties")
        parameters = {"type": "object", "properties": {}}
    described = {"description": description} if description is not None else {}
    return {"type": "function", "function": {"name": name, **described, "parameters": parameters}}


def named_choice(name: str) -> dict[str, Any]:
    """Return the choice of one function."""
    return {"type": "function", "function": {"name": name}}


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the `response_format` that holds answers to a schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
