"""What a night is made of, as hashes (prompts, models, graders, items): to say what has changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from runner.rules.evaluation.report.night_facts import Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Subject, Suite


def hashes_of(
    suite: Suite, items: Sequence[Item], graders: Mapping[str, str], printed: Sequence[str] = ()
) -> Content:
    """Return the hashes of a suite and its items; `graders` are those of the graders by name.

    `printed` names the metadata that templates of the suite print.
    """
    return Content(
        prompts={subject.name: prompt_sha256(subject) for subject in suite.subjects},
        models={subject.name: subject.model for subject in suite.subjects},
        graders=graders,
        items=items_sha256(items),
        printed=_printed_sha256(items, printed) if printed else None,
    )


def prompt_sha256(subject: Subject) -> str:
    """Return the hash of what a subject adds to the items: its texts and fields, not its model."""
    return hashlib.sha256(orjson.dumps([subject.system, subject.user, subject.body])).hexdigest()


def items_sha256(items: Iterable[Item]) -> str:
    """Return the hash of all items, whatever their order."""
    pairs = sorted((item.id, item.sha256) for item in items)
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()


def _printed_sha256(items: Iterable[Item], names: Sequence[str]) -> str:
    pairs = sorted((item.id, item.printed(names).decode()) for item in items)
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()


def has_other_items(one: Content, other: Content) -> bool:
    """Return whether two nights ask different items; what a template prints counts where both know it."""
    return one.items != other.items or (
        None not in (one.printed, other.printed) and one.printed != other.printed
    )


def differences(one: Content, other: Content) -> list[str]:
    """Return what differs, in words."""
    words = {"prompts": "another prompt", "models": "another model", "graders": "other graders"}
    changed = [word for name, word in words.items() if getattr(one, name) != getattr(other, name)]
    return changed + ["other items"] * has_other_items(one, other)


def encode_content(content: Content) -> bytes:
    """Return the hashes of a night as JSON."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def decode_content(stored: bytes) -> Content:
    """Return the hashes that `encode_content` made the JSON of."""
    return Content(**orjson.loads(stored))
