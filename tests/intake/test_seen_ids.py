"""No two jobs of a file share an id, and a million ids fit into little memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.intake.seen_ids import SeenIds


def test_the_second_use_of_an_id_names_the_first() -> None:
    """Line, code, reason and fix, for each line that uses it again."""
    seen = SeenIds()

    assert seen.add("r-17", 23) is None
    for line in (990, 70_000_000):
        finding = seen.add("r-17", line)

        assert finding is not None
        assert (finding.line, finding.code, finding.severity) == (line, "duplicate-id", "refused")
        assert finding.reason == 'custom_id "r-17" was already used on line 23'
        assert "id of its own" in finding.fix


@settings(deadline=None)
@given(st.lists(st.text(max_size=3)))
def test_exactly_the_repeated_ids_are_refused(ids: list[str]) -> None:
    """As a plain set would tell."""
    seen = SeenIds()
    clashes = [seen.add(custom_id, line) is not None for line, custom_id in enumerate(ids, 1)]

    assert [custom_id in ids[:place] for place, custom_id in enumerate(ids)] == clashes


def test_ids_take_little_memory() -> None:
    """12 bytes each, beside some 90 for each of 65,536 buckets."""
    tracemalloc.start()
    seen = SeenIds()
    for line in range(1, 100_001):
        assert seen.add(f"review-{line}", line) is None
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held_bytes < 10_000_000
