"""A command line on record: it can be typed again, and holds no secret and no text of a request."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.command_line import LENGTH_MAX, recorded_command

KEY = "xai-canary0123456789"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["set", "7", "--rpm", "60"], "runner set 7 --rpm 60"),
        (["pause", "two words"], "runner pause 'two words'"),
        (
            ["label", "t.csv", "--user", "Is {{ x }} good?", "--rpm", "5"],
            "runner label t.csv --user … --rpm 5",
        ),
        (["label", "t.csv", "--system=Be kind."], "runner label t.csv --system=…"),
        (["label", "t.csv", "--set", "a=b", "--set", "c=d"], "runner label t.csv --set … --set …"),
        (
            ["set", "7", "--on-end", "curl https://h/token", "--budget", "5"],
            "runner set 7 --on-end … --budget 5",
        ),
        (["rm", "7", "--reason", "it is old", "--yes"], "runner rm 7 --reason … --yes"),
        (["rm", "--reason"], "runner rm --reason"),
        (["retry", "7", "--code", KEY], "runner retry 7 --code '***'"),
        (["load", "https://u:hunter2@h/x"], "runner load 'https://u:***@h/x'"),
        (["load", "caf\udce9.jsonl"], r"runner load 'caf\udce9.jsonl'"),
        (["pause", "a\x1b[31m\nb"], r"runner pause $'a\x1b[31m\x0ab'"),
    ],
)
def test_what_is_on_record(words: list[str], shown: str) -> None:
    """Texts and secrets are left out, and what no terminal should get is an escape."""
    assert recorded_command(words, [KEY]) == shown


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    """Also one that is no key."""
    assert "hunter22" not in recorded_command(["set", "7", "--rpm", "hunter22x"], ["hunter22"])


def test_a_long_line_is_cut() -> None:
    """Such as a retry of ten thousand ids."""
    line = recorded_command(["retry", "7", *(f"--id=r-{n}" for n in range(10_000))], [])

    assert len(line) == LENGTH_MAX
    assert line.endswith("…")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8), max_size=8))
def test_it_can_be_typed_again(words: list[str]) -> None:
    """A shell reads the same words, where nothing was left out."""
    kept = [word for word in words if not word.startswith(("--user", "--system", "--set", "--on-end"))]
    kept = [word for word in kept if not word.startswith("--reason") and "://" not in word]

    assert shlex.split(recorded_command(kept, [])) == ["runner", *kept]
