"""The nights that docs/evals.md shows are printed so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from night_reports import WEEK

from runner.cli.render.nights.night_lines import night_lines
from runner.evals.night.report_files import report_paths
from runner.rules.evaluation.forms.night_words import VERDICT_WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "evals.md").read_text(encoding="utf-8")
SCREENS = re.findall(r"^```text\n(support-answers, night .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("place", range(len(WEEK)))
def test_the_page_shows_the_screens_of_a_week(place: int) -> None:
    """Word for word, in this order; a screen that has changed is copied from the error."""
    assert "\n".join([*night_lines(WEEK[place]), ""]) == SCREENS[place]


def test_the_page_shows_no_other_screens() -> None:
    """Each of them is checked."""
    assert len(SCREENS) == len(WEEK)


def test_the_page_names_every_file_and_every_verdict() -> None:
    """With its exit code, which is that of the screens."""
    for path in report_paths(WEEK[1].suite, WEEK[1].night):
        assert f"`{path}`" in PAGE
    table = dict(re.findall(r"^\| (\d+) \| ((?:`[A-Z ]+`(?:, )?)+) \|", PAGE, re.MULTILINE))
    by_word = {word: int(code) for code, words in table.items() for word in re.findall(r"`([A-Z ]+)`", words)}
    assert set(by_word) == set(VERDICT_WORDS.values())
    assert all(by_word[VERDICT_WORDS[night.verdict]] == night.exit_code for night in WEEK)
