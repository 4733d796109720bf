"""Jobs of a refused model are held unsent after three refusals, and found out about again."""

from __future__ import annotations

import pytest

from runner.rules.replies.model_refusal import REMEMBERED_MS, ModelRefusals

AT_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("count", "due_at_ms", "now_ms", "held"),
    [
        (1, 0, AT_MS, False),
        (2, 0, AT_MS, False),
        (3, 0, AT_MS, True),
        (30, AT_MS, AT_MS + 1, True),
        (30, AT_MS + 1, AT_MS + 2, False),  # sent again by a person, after the last refusal
        (30, 0, AT_MS + REMEMBERED_MS, True),
        (30, 0, AT_MS + REMEMBERED_MS + 1, False),
    ],
)
def test_what_is_held_without_being_sent(count: int, due_at_ms: int, now_ms: int, held: bool) -> None:
    """Only what was pending when the third refusal came, and not for ever."""
    refusals = ModelRefusals(count=count, last_at_ms=AT_MS, code="model-gone")
    assert refusals.withhold(due_at_ms, now_ms) is held
