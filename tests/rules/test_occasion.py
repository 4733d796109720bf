"""Occasions: which words may be one, which day `today` is, and the names of runs and files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules import occasion

STEMS = st.text(min_size=1, max_size=8)
OCCASIONS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


@pytest.mark.parametrize("word", ["today", "2026-11-28", "v1.2_b", "-", "a" * 64])
def test_these_are_occasions(word: str) -> None:
    """Letters, digits, dots, `_` and `-`: they are safe in a file name and in a shell."""
    assert occasion.is_occasion(word)


@pytest.mark.parametrize("word", ["", "a" * 65, "a b", "a/b", "a@b", "ä", "\u0661", "a\n", "\n", "a\x00"])
def test_these_are_none(word: str) -> None:
    """An "@" would make two names of different runs equal."""
    assert not occasion.is_occasion(word)


def test_today_is_today_however_it_is_written() -> None:
    """As a fixed word it would stand for one night, and every later night would do nothing."""
    assert all(occasion.is_today(word) for word in ("today", "Today", "TODAY"))
    assert not any(occasion.is_today(word) for word in ("to-day", "today2", "2026-11-28"))


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-11-28"), ("Asia/Tokyo", "2026-11-29"), ("America/Los_Angeles", "2026-11-28")],
)
def test_a_day_is_that_of_the_place(zone: str, day: str) -> None:
    """At 23:30 UTC it is tomorrow in the east."""
    at = datetime(2026, 11, 28, 23, 30, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert occasion.day_word(at) == day


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_the_days_beside_a_day_are_a_day_away(at: datetime) -> None:
    """Also over the end of a month and of a year; an older night of the same file is neither."""
    day = occasion.day_word(at)
    one = timedelta(days=1)
    assert occasion.days_beside(day) == (occasion.day_word(at - one), occasion.day_word(at + one))
    assert timedelta(milliseconds=occasion.CARRY_ON_MS) < one


@given(STEMS, OCCASIONS, st.integers(1, 10**6))
def test_the_stem_of_a_name_is_found_again(stem: str, word: str, number: int) -> None:
    """Whatever is in the stem, an "@" among it; a run without an occasion is its own stem."""
    name = occasion.run_name(stem, word, number)
    assert occasion.stem_of(name, word) == stem
    assert occasion.stem_of(name, None) == name
    assert occasion.next_number([name], stem, word) == number + 1
    assert occasion.file_stem(stem, name) == f"{stem}.{word}" + (f".{number}" if number > 1 else "")


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ([], 1),
        (["q@x"], 2),
        (["q@x.3", "q@x"], 4),
        (["q@x.2"], 3),
        (["q@x.02", "q@x.y", "q@xx", "r@x.7", "q@x.-1"], 1),
    ],
)
def test_a_number_is_never_given_twice(names: list[str], number: int) -> None:
    """It follows the highest one; names of other stems and forms do not count."""
    assert occasion.next_number(names, "q", "x") == number


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("reviews.jsonl", "reviews"),
        ("reviews.jsonl.gz", "reviews"),
        ("reviews.2.jsonl", "reviews.2"),
        ("reviews.json", "reviews.json"),
        ("jsonl", "jsonl"),
    ],
)
def test_the_stem_of_a_file_is_its_name_without_its_endings(file: str, stem: str) -> None:
    """Only of those that a job file has."""
    assert occasion.stem_of_file(file) == stem
