"""Turns columns of cells into rows."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def as_rows(columns: Sequence[Sequence[Any]], row_count: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of columns that have `row_count` cells each, empty ones where there is no column.

    Raise ValueError where the columns differ in length, or have another one.
    """
    return zip(*columns, strict=True) if columns else repeat((), row_count)
