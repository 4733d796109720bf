"""Gives ids to items whose rows have none: by content, so that the order of the rows changes nothing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runner.rules.evaluation.item import Item

_HEX_DIGITS: Final = 12


def with_ids(items: Sequence[Item], taken: Collection[str]) -> list[Item]:
    """Return items without an id (it is "") with one each, in the same order.

    The id is the hash of what is asked; further items that ask the same have `-2`, `-3` behind it, in the
    order of their whole content. `taken` are ids that rows have given.
    """
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        alike[_input_sha256(item)[:_HEX_DIGITS]].append(place)
    ids = [""] * len(items)
    used = set(taken)
    for stem, places in sorted(alike.items()):
        ordered = places if len(places) == 1 else sorted(places, key=lambda place: _content(items[place]))
        number = 1
        for place in ordered:
            while (found := stem if number == 1 else f"{stem}-{number}") in used:
                number += 1
            used.add(found)
            ids[place] = found
    return [replace(item, id=found) for item, found in zip(items, ids, strict=True)]


def _input_sha256(item: Item) -> str:
    asked = [item.messages, item.choices, item.body]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _content(item: Item) -> tuple[str, str, bytes]:
    return item.sha256, item.cluster or "", orjson.dumps(item.metadata, option=orjson.OPT_SORT_KEYS)
