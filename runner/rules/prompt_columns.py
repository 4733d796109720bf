"""Which columns of a table are in its prompts, seen from a few of them: the templates are not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def columns_in_prompts(
    columns: Sequence[str], rows: Sequence[Sequence[str]], prompts: Sequence[str | None]
) -> tuple[int, ...]:
    """Return the places of the columns whose cells are in the prompts of their rows.

    `rows` are the cells of each row, `prompts` their prompts; None is a row that was not sent. Where no
    column is found, as where all cells were changed on their way, all columns are returned.
    """
    sent = [(cells, prompt) for cells, prompt in zip(rows, prompts, strict=True) if prompt is not None]
    found = tuple(place for place in range(len(columns)) if _is_in_all(place, sent))
    return found or tuple(range(len(columns)))


def _is_in_all(place: int, sent: Sequence[tuple[Sequence[str], str]]) -> bool:
    """Return whether each cell of a column that is not blank is in its prompt, and there is one."""
    cells = [(cells[place].strip(), prompt) for cells, prompt in sent if cells[place].strip()]
    return bool(cells) and all(cell in prompt for cell, prompt in cells)
