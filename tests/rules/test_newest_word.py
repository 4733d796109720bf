"""The limits of a team by what a person set and by settings: the newest word holds."""

from __future__ import annotations

from typing import Final

import pytest

from runner.rules.sending.team_limits import (
    RecordedSetting,
    TeamLimits,
    changed_settings,
    hosts_of,
    with_settings,
)

A600: Final = RecordedSetting(host="a", name="rpm", value=600, version=1)
B600: Final = RecordedSetting(host="b", name="rpm", value=600, version=2)
B700: Final = RecordedSetting(host="b", name="rpm", value=700, version=2)
A_NONE: Final = RecordedSetting(host="a", name="rpm", value=0, version=1)
OTHER: Final = RecordedSetting(host="a", name="tpm", value=600, version=9)


@pytest.mark.parametrize(
    ("in_force", "known", "setting", "after"),
    [
        (None, [], 600, 600),  # the first word
        (None, [], None, None),
        (300, [], None, 300),  # no settings say nothing
        (300, [], 600, 600),  # settings after a person
        (300, [A600], 600, 300),  # a person after settings, and the host starts again
        (None, [A600], 600, None),  # a person went back to the model's
        (300, [A600], 900, 900),  # the settings were changed since
        (300, [A600], 0, 0),
        (300, [A_NONE], 0, 300),
        (300, [B600], 600, 300),  # another host has had the same: no new word
        (300, [A600, B700], 700, 300),
        (700, [A600, B700], 600, 700),  # hosts that differ: a start changes nothing
        (700, [A600, B700], 700, 700),
        (600, [A600], None, None),  # the settings take their own word back,
        (300, [A600], None, 300),  # not that of a person,
        (600, [A600, B600], None, 600),  # nor that of another host
        (700, [A600, B700], None, 700),
        (300, [OTHER], 600, 600),  # what was set of tokens is another word
    ],
)
def test_settings_count_when_they_were_changed(
    in_force: int | None, known: list[RecordedSetting], setting: int | None, after: int | None
) -> None:
    """A worker of host `a` starts."""
    found = with_settings(TeamLimits(rpm=in_force), known, "a", TeamLimits(rpm=setting, tpm=None))
    assert found.rpm == after


def test_each_limit_has_words_of_its_own() -> None:
    """Tokens were set by a person, requests by changed settings."""
    before = TeamLimits(rpm=600, tpm=1_000)
    tokens = RecordedSetting(host="a", name="tpm", value=9_000, version=3)
    settings = TeamLimits(rpm=700, tpm=9_000)
    assert changed_settings([A600, tokens], "a", settings) == ("rpm",)
    assert with_settings(before, [A600, tokens], "a", settings) == TeamLimits(rpm=700, tpm=1_000)


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [(9, ("b", "c")), (7, ()), (5, ()), (None, ())],
    ids=["newest", "older", "other", "none"],
)
def test_a_limit_comes_from_the_settings_that_were_changed_last(
    limit: int | None, hosts: tuple[str, ...]
) -> None:
    """A limit that another host's settings had before, or none have, was set by a person."""
    known = [
        RecordedSetting(host=host, name="rpm", value=value, version=version)
        for host, value, version in (("a", 7, 1), ("b", 9, 2), ("c", 9, 3))
    ]
    other = RecordedSetting(host="d", name="tpm", value=9, version=4)
    assert hosts_of(limit, [*known, other], "rpm") == hosts
