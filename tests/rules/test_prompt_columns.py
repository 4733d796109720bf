"""Which columns are shown: those whose cells are in the prompts."""

from __future__ import annotations

import pytest

from runner.rules.prompt_columns import columns_in_prompts

COLUMNS = ("id", "product", "review", "gold")


@pytest.mark.parametrize(
    ("rows", "prompts", "found"),
    [
        ([["7", "tv", "so good", "yes"]], ["tv: so good"], (1, 2)),
        ([["7", "tv", "", "yes"], ["8", "tv", "bad", "no"]], ["tv: ", "tv: bad"], (1, 2)),
        ([["7", "tv", " \n", "yes"]], ["tv: "], (1,)),  # a blank cell is in every prompt
        ([["7", "tv", "so good\n", "yes"]], ["so good"], (2,)),  # trimmed by the template
        ([["7", "tv", "a", "b"], ["8", "radio", "b", "a"]], ["tv a", "radio"], (1,)),  # once is chance
        ([["7", "tv", "good", "yes"], ["8", "", "", "no"]], ["tv", None], (1,)),  # a row that was not sent
        ([["7", "tv", "good", "yes"]], ["GOOD"], (0, 1, 2, 3)),
        ([["7", "tv", "good", "yes"]], [None], (0, 1, 2, 3)),
        ([], [], (0, 1, 2, 3)),
    ],
)
def test_the_columns_whose_cells_are_in_all_prompts(
    rows: list[list[str]], prompts: list[str | None], found: tuple[int, ...]
) -> None:
    """All columns where there is none."""
    assert columns_in_prompts(COLUMNS, rows, prompts) == found
