"""What a label is: one field of the answers, which becomes one column of the table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

INTEGER_MAX: Final = 2**63 - 1  # of a column; smallest: -INTEGER_MAX - 1


class LabelKind(StrEnum):
    """What a label's column holds: the same words as the kinds of a table's column."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"  # of texts
    JSON = "json"  # any other value, as JSON text


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelField:
    """One label.

    `name` is the column; `path` leads to the value in the answer, and differs from the name where objects are
    nested: `a.b` is at ("a", "b"). `values` are the only texts allowed, of a list those of its items; None
    where any are. `low` and `high` bound a number, both included. `descriptions` has a meaning, or None, for
    each of `values`; it is empty where no value has one.
    """

    name: str
    kind: LabelKind
    path: tuple[str, ...]
    values: tuple[str, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    is_nullable: bool = False
    descriptions: tuple[str | None, ...] = ()
