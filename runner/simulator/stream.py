"""Streamed chat completions: server-sent events in OpenAI's form, ended by [DONE]."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = b"data: [DONE]\n\n"
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache"}
_WORD = re.compile(r"\s*\S+\s*|\s+")


def events(completion_json: bytes, *, with_usage: bool) -> bytes:
    """Return all events of a chat.completion: the role, the text word by word or the tool calls, the end.

    `with_usage` adds an event with the usage and no choices, as `stream_options.include_usage` asks.
    """
    completion = orjson.loads(completion_json)
    usage = completion.pop("usage")
    chunk = completion | {"object": "chat.completion.chunk"}
    parts = [
        {"index": choice["index"], "delta": delta, "finish_reason": reason}
        for choice in completion["choices"]
        for delta, reason in _deltas(choice)
    ]
    chunks = [chunk | {"choices": [part]} for part in parts]
    if with_usage:
        chunks.append(chunk | {"choices": [], "usage": usage})
    return b"".join(b"data: %b\n\n" % orjson.dumps(one) for one in chunks) + DONE


def _deltas(choice: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    message = choice["message"]
    yield {"role": "assistant", "content": ""}, None
    for word in _WORD.findall(message["content"]):
        yield {"content": word}, None
    for index, call in enumerate(message.get("tool_calls", ())):
        yield {"tool_calls": [{"index": index, **call}]}, None
    yield {}, choice["finish_reason"]
