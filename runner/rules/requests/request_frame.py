"""The part of a request that all rows of a table share: every byte before and after the row's own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_NAME = "labels"


class Example(NamedTuple):
    """One example: the content of its user message, as JSON, and the answer."""

    content: bytes
    answer: str


class Frame(NamedTuple):
    """The shared bytes. A row's own are its `content`: the JSON of what the last user message says."""

    head: bytes
    tail: bytes

    def body(self, content: bytes) -> bytes:
        """Return the body of a row's request."""
        return b"".join((self.head, content, self.tail))

    def line(self, custom_id: str, content: bytes) -> bytes:
        """Return the job line of a row, in the batch form, without a line end."""
        return b"".join(
            (b'{"custom_id":', orjson.dumps(custom_id), b',"body":', self.head, content, self.tail, b"}")
        )


def request_frame(
    model: str, system: str, examples: Sequence[Example], schema: bytes, body: Mapping[str, object]
) -> Frame:
    """Return the frame. `schema`: JSON, sent as it is. `body`: further fields. An empty `system` is left out.

    Raises TypeError for what JSON cannot hold, such as a lone surrogate.
    """
    before = [b'{"model":', orjson.dumps(model), b',"messages":[']
    if system:
        before += [b'{"role":"system","content":', orjson.dumps(system), b"},"]
    for example in examples:
        before += [b'{"role":"user","content":', example.content]
        before += [b'},{"role":"assistant","content":', orjson.dumps(example.answer), b"},"]
    before.append(b'{"role":"user","content":')
    after = [b'}],"response_format":{"type":"json_schema","json_schema":{"name":"', SCHEMA_NAME.encode()]
    after += [b'","strict":true,"schema":', schema, b"}}"]
    for name, value in body.items():
        after += [b",", orjson.dumps(name), b":", orjson.dumps(value)]
    return Frame(b"".join(before), b"".join((*after, b"}")))


def row_content(text: str, image_url: str | None) -> bytes:
    """Return the JSON of a user message's content: a text, or parts where there is an image.

    Raises TypeError for a lone surrogate.
    """
    if image_url is None:
        return _trimmed(orjson.dumps(text))
    image = {"type": "image_url", "image_url": {"url": image_url}}
    return _trimmed(orjson.dumps([{"type": "text", "text": text}, image] if text else [image]))


def _trimmed(content: bytes) -> bytes:
    """Return a copy of its own size, since thousands of rows wait: orjson's is nine times as large."""
    return bytes(memoryview(content))
