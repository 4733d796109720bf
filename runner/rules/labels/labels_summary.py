"""The parts of a summary that only a run with labels has: rows, asks, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.labels.label_counts import in_order
from runner.rules.labels.row_status import RowStatus, rows_by_status
from runner.rules.sending.failure_pause import INVALID
from runner.rules.summary_object import AskCounts, LabeledRowCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.labels.label_field import LabelField

    Kinds = Mapping[str, Mapping[str, int]]


def row_counts(kinds: Kinds, joined: Mapping[RowStatus, int] | None) -> LabeledRowCounts:
    """Return the rows by status: as they were joined with their table, else as the counters have them."""
    invalid = kinds.get("code", {}).get(INVALID, 0)
    known = rows_by_status(kinds.get("state", {}), kinds.get("rows", {}), invalid)
    found = known if joined is None else joined
    counts = {status.value: found.get(status, 0) for status in RowStatus}
    return LabeledRowCounts(total=sum(counts.values()), **counts)


def ask_counts(kinds: Kinds) -> AskCounts:
    """Return how often answers were asked for."""
    given_up = kinds.get("code", {}).get(INVALID, 0)
    return AskCounts(
        first=kinds.get("state", {}).get("succeeded", 0) + given_up,
        again=kinds.get("extra", {}).get("reask", 0),
        repaired=sum(kinds.get("repaired", {}).values()),
        given_up=given_up,
    )


def label_counts(kinds: Kinds, fields: Sequence[LabelField]) -> dict[str, dict[str, int]]:
    """Return how often each field has each value: fields and values in the order of the schema."""
    found: dict[str, dict[str, int]] = {}
    for word, n in kinds.get("label", {}).items():
        field, _, value = word.partition("=")
        if n:
            found.setdefault(field, {})[value] = n
    ordered = {field.name: in_order(field, found.pop(field.name)) for field in fields if field.name in found}
    return ordered | dict(sorted(found.items()))
