"""An item of a suite: one question, and what its answers are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

JsonValue = None | bool | int | float | str | Sequence[Any] | Mapping[str, Any]


class Item(NamedTuple):
    """One question. `id` is unique in its suite.

    `messages` are those of the item alone, as the API takes them (a role, and a text or parts); the subject
    may add others before. `body` has further fields of the request that the item itself names, such as a
    response_format. `target` is what graders compare an answer with: a text, a list of texts each of which
    is right, an object of fields, or None. `choices` are the options of a multiple-choice question, the first
    is A. Items of one `cluster` (a document, a conversation) rise and fall together. `metadata` is what else
    the file says.
    """

    id: str
    messages: Sequence[Mapping[str, Any]]
    target: JsonValue = None
    choices: tuple[str, ...] = ()
    body: Mapping[str, Any] = {}
    cluster: str | None = None
    metadata: Mapping[str, Any] = {}

    @property
    def sha256(self) -> str:
        """Return the hash of what is asked and what is right, without metadata: see `sha256_with`."""
        content = [self.messages, self.target, self.choices, self.body]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def printed(self, names: Sequence[str]) -> bytes:
        """Return the values of metadata as JSON: equal values give equal bytes. An absent one is null."""
        values = {name: self.metadata.get(name) for name in names}
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)

    def sha256_with(self, names: Sequence[str]) -> str:
        """Return the hash of what is asked and what is right where the prompt has the metadata of `names`."""
        return hashlib.sha256(bytes.fromhex(self.sha256) + self.printed(names)).hexdigest()

    @property
    def text(self) -> str:
        """Return the text of the last message of the user."""
        texts = [_text_of(message) for message in self.messages if message.get("role") == "user"]
        return texts[-1] if texts else ""


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else []
    return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
