"""Duplicate ids of a file are found, in little memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.intake.used_ids import UsedIds


def test_the_second_use_of_an_id_names_the_first() -> None:
    """The diagnostic has line, code, reason and fix, for each line that uses the id again."""
    ids = UsedIds()

    assert ids.add("r-17", 23) is None
    for line in (990, 70_000_000):
        finding = ids.add("r-17", line)

        assert finding is not None
        assert (finding.line, finding.code, finding.severity) == (line, "duplicate-id", "refused")
        assert finding.reason == 'custom_id "r-17" was already used on line 23'
        assert "id of its own" in finding.fix


@settings(deadline=None)
@given(st.lists(st.text(max_size=3)))
def test_exactly_the_repeated_ids_are_refused(ids: list[str]) -> None:
    """The result is that of a plain set."""
    used = UsedIds()
    duplicates = [used.add(custom_id, line) is not None for line, custom_id in enumerate(ids, 1)]

    assert [custom_id in ids[:place] for place, custom_id in enumerate(ids)] == duplicates


def test_ids_take_little_memory() -> None:
    """An id takes 12 bytes, beside some 90 for each of 65,536 buckets."""
    tracemalloc.start()
    ids = UsedIds()
    for line in range(1, 100_001):
        assert ids.add(f"review-{line}", line) is None
    memory_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert memory_bytes < 10_000_000
