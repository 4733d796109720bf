"""Gives ids to items whose rows have none: by content, so that the order of the rows changes nothing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.evals.items.item_draft import ItemDraft

_HEX_DIGITS: Final = 12


def ids_of(drafts: Sequence[ItemDraft]) -> list[str]:
    """Return an id for each draft: its own, else the hash of what is asked.

    Further drafts that ask the same have `-2`, `-3` behind it, in the order of their whole content.
    """
    ids = [draft.id or "" for draft in drafts]
    used = set(ids)
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for place, draft in enumerate(drafts):
        if draft.id is None:
            alike[_asked_sha256(draft)[:_HEX_DIGITS]].append(place)
    for stem, places in alike.items():
        ordered = places if len(places) == 1 else sorted(places, key=lambda place: _content(drafts[place]))
        number = 1
        for place in ordered:
            while (found := stem if number == 1 else f"{stem}-{number}") in used:
                number += 1
            used.add(found)
            ids[place] = found
    return ids


def _asked_sha256(draft: ItemDraft) -> str:
    asked = [draft.messages, draft.choices, draft.body]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _content(draft: ItemDraft) -> bytes:
    return orjson.dumps(tuple(draft), option=orjson.OPT_SORT_KEYS)
