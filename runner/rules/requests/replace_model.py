"""Replaces the model that a request body names; every other byte stays as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from runner.rules.json_text.json_members import json_members

if TYPE_CHECKING:
    import msgspec


def replace_model(body: bytes | msgspec.Raw, model: str) -> bytes:
    """Return a body with another model; one that names none gets it as its first field.

    `body` is the text of a JSON object without duplicate names, from its brace on. One copy is made: a body
    may have an image.
    """
    view, named, separator = memoryview(body), orjson.dumps(model), b""
    for member in json_members(view):
        if member.name == "model":
            return b"".join((view[: member.begin], named, view[member.end :]))
        separator = b","
    return b"".join((b'{"model":', named, separator, view[1:]))
