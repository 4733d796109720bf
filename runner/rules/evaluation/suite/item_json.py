"""Items as JSON, as they are stored with their suite."""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from runner.rules.evaluation.suite.item import Item

_FIELDS: Final = ("id", "messages", "target", "choices", "body", "cluster", "metadata")


def encode_item(item: Item) -> bytes:
    """Return a whole item as JSON; equal items give equal bytes."""
    return orjson.dumps({name: getattr(item, name) for name in _FIELDS}, option=orjson.OPT_SORT_KEYS)


class _Clustered(msgspec.Struct):
    cluster: str | None = None


def decode_cluster(stored: bytes) -> str | None:
    """Return the cluster of an item that `encode_item` made the JSON of, and nothing else of it."""
    return msgspec.json.decode(stored, type=_Clustered).cluster


def decode_item(stored: bytes) -> Item:
    """Return the item that `encode_item` made the JSON of."""
    fields = orjson.loads(stored)
    return Item(**{**fields, "choices": tuple(fields["choices"])})
