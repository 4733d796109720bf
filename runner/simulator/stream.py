"""A chat completion as a stream: server-sent events in OpenAI's form, ended by [DONE]."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = b"data: [DONE]\n\n"
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache"}
_PIECE = re.compile(r"\s*\S+\s*|\s+")


def events(whole: bytes, *, with_usage: bool) -> bytes:
    """All events of a chat.completion: the role, its text word by word or its tool calls, the end.

    `with_usage`: the wish of `stream_options`, one more event that has the usage and no choices.
    """
    completion = orjson.loads(whole)
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
    for piece in _PIECE.findall(message["content"]):
        yield {"content": piece}, None
    for index, call in enumerate(message.get("tool_calls", ())):
        yield {"tool_calls": [{"index": index, **call}]}, None
    yield {}, choice["finish_reason"]
