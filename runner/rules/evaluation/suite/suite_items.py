"""Where the items of a suite come from, as its file says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ItemForm(StrEnum):
    """How a file of items is written."""

    JOBS = "jobs"  # our job lines, with a target
    OPENAI_EVALS = "openai-evals"  # input and ideal
    INSPECT = "inspect"  # input and target
    TABLE = "table"  # any columns, named by the suite
    RECIPE = "recipe"  # a labeling recipe, with gold columns


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """The fields of a row that parts of an item are read from; None is the name that the form has for it.

    A name is that of a column, or leads into an object, such as `metadata.expected`. `metadata` are the
    columns that are kept beside; None keeps all that are not used otherwise.
    """

    input: str | None = None
    target: str | None = None
    id: str | None = None
    choices: str | None = None
    cluster: str | None = None
    system: str | None = None
    metadata: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteItems:
    """The items of a suite: `file` as written, `form` None where its content shows it.

    `gold` maps fields of the answer to the columns of a recipe's table that hold the right values.
    """

    file: str
    form: ItemForm | None = None
    fields: FieldMap = FieldMap()
    gold: Mapping[str, str] = field(default_factory=dict)
