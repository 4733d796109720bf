"""Clock skew by the Date header of a reply."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from runner.rules.replies import clock_skew

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (0, None),
        (30, None),
        (-30, None),
        (31, "about 31 s ahead of"),
        (-119, "about 119 s behind"),
        (7_199, "about 120 minutes ahead of"),
        (-7_200, "about 2 hours behind"),
        (86_400 * 400, "about 400 days ahead of"),
    ],
)
def test_a_skew_above_half_a_minute_is_reported(ahead_s: int, words: str | None) -> None:
    """The advice has a readable unit and the direction."""
    skew_s = clock_skew.skew_s(formatdate(NOW_S - ahead_s, usegmt=True), NOW_S)
    found = clock_skew.skew_advice(skew_s)
    assert skew_s == ahead_s
    assert (found.what if found else None) == (words and f"this machine's clock is {words} the API's")


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_a_missing_or_invalid_date_is_no_skew(date: str | None) -> None:
    """Such a reply does not measure the clock."""
    assert clock_skew.skew_s(date, NOW_S) == 0.0
