"""A secret is shown only on purpose."""

from __future__ import annotations

import pytest

from runner.rules.secret import Secret

KEY = "xai-canary-0123456789-wxyz"


@pytest.mark.parametrize(
    ("key", "shown"), [(KEY, "set (…wxyz)"), ("x" * 15, "set"), ("abcd" * 4, "set (…abcd)")]
)
def test_at_most_its_end_is_shown(key: str, shown: str) -> None:
    """Of a short one nothing: four characters would be much of it."""
    assert repr(Secret(key)) == f"{Secret(key)}" == shown
    assert Secret(key).reveal() == key


def test_its_name_is_no_part_of_it() -> None:
    """A digest, equal for equal secrets."""
    assert Secret(KEY).fingerprint == "cbc3f03e56739f09"
    assert len({Secret(KEY), Secret(KEY), Secret("other")}) == 2
