"""Compiles a suite and its items to job lines: one for each item, variant and epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from runner.evals.suite.item_prompt import ItemPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite


class AnswerId(NamedTuple):
    """What an answer is to: variant ("" where a suite has one subject), item, and epoch from 1."""

    variant: str
    item_id: str
    epoch: int


def custom_id(variant: str, item_id: str, epoch: int) -> str:
    """Return the id of a job: ITEM#EPOCH, with variants VARIANT/ITEM#EPOCH.

    Without variants an item whose id has a slash gets one before it, so that the id can be read back.
    """
    item = f"{variant}/{item_id}" if variant or "/" in item_id else item_id
    return f"{item}#{epoch}"


def parse_custom_id(text: str) -> AnswerId:
    """Return what the id of a job of a night means. Raises ValueError for any other id."""
    item, mark, epoch = text.rpartition("#")
    if not mark or not epoch.isdecimal():
        raise ValueError(f"{text!r} is no id of a job of a night")
    variant, slash, rest = item.partition("/")
    return AnswerId(variant, rest, int(epoch)) if slash else AnswerId("", item, int(epoch))


def job_lines(suite: Suite, items: Sequence[Item]) -> Iterator[bytes]:
    """Yield the job lines of a night in the short form, without line ends; the same bytes each time.

    Each epoch, from 1, has all items, each with all of its variants; a stop leaves whole epochs. Raises
    RenderError where the template of a subject cannot be filled for an item, which `read_suite` has reported.
    """
    names = metadata_names(items)
    prompts = [ItemPrompt(subject, names) for subject in suite.subjects]
    for epoch in range(1, suite.epochs + 1):
        for item in items:
            for prompt in prompts:
                yield job_line(custom_id(prompt.subject.name, item.id, epoch), prompt.body(item))


def metadata_names(items: Sequence[Item]) -> tuple[str, ...]:
    """Return the names of all metadata of the items, sorted."""
    return tuple(sorted({name for item in items for name in item.metadata}))


def printed_metadata(suite: Suite, items: Sequence[Item]) -> list[str]:
    """Return the names of the metadata that templates of a suite print, sorted: requests have it."""
    if all(subject.user is None for subject in suite.subjects):
        return []
    names = metadata_names(items)
    return sorted({name for subject in suite.subjects for name in ItemPrompt(subject, names).metadata_names})


def job_line(job_id: str, body: Mapping[str, Any]) -> bytes:
    """Return a job line in the short form, without a line end. `body`: the fields of the request."""
    return orjson.dumps({"id": job_id, **body})
