"""Random tables, faults and kill -9: every row comes out once, in its place, with its label or a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from world import label_world

if TYPE_CHECKING:
    from pathlib import Path

QUICK: Final = 3  # worlds; with those of `make soak` 30


@pytest.mark.timeout(900)  # each command has its own limit
@pytest.mark.parametrize(
    "seed", [seed if seed < QUICK else pytest.param(seed, marks=pytest.mark.soak) for seed in range(30)]
)
def test_each_row_has_its_own_label_or_a_reason(seed: int, tmp_path: Path) -> None:
    """A third of the worlds lose all their processes to kill -9, the slow ones twice."""
    is_quick = seed < QUICK
    kills = 0 if seed % 3 != 2 else 1 if is_quick else 2
    assert label_world(tmp_path, seed, count=4 if is_quick else 10, kills=kills) == []
