"""What stored answers are after the repair of a run was switched."""

from __future__ import annotations

import json

import pytest
from labeled_run import SCHEMA, answer, recipe_of

from runner.rules.labels.recheck_rules import CheckedBody, has_repair, recheck_of, with_repair

GOOD = json.dumps({"mood": "good", "mark": "x"})
FENCED = f"```json\n{GOOD}\n```"
PROSE = f"Sure: {GOOD}"
OTHER = json.dumps({"mood": "odd", "mark": "x"})
LABELS = ("mood=good",)
ON, OFF = (recipe_of(SCHEMA, ask={"repair": is_on, "reask": 1}) for is_on in (True, False))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (GOOD, CheckedBody(LABELS)),
        (FENCED, CheckedBody(LABELS, "fence")),
        (PROSE, CheckedBody(LABELS, "prose")),
        (OTHER, None),
        ("", None),
    ],
)
def test_an_answer_that_fits_with_repair(content: str, found: CheckedBody | None) -> None:
    """It has the words to count; one that does not fit has not changed."""
    assert recheck_of(ON).newly_valid(answer(content)) == found


def test_only_what_needs_repair_is_invalid_without_it() -> None:
    """What was counted of it is known, and its error is the one of the rules now."""
    rules = recheck_of(OFF)
    found = rules.newly_invalid(answer(PROSE))

    assert found == CheckedBody(LABELS, "prose", "there is other text around the JSON object")
    assert rules.newly_invalid(answer(GOOD)) is None
    assert rules.newly_invalid(answer(OTHER)) is None
    assert rules.newly_valid(answer(PROSE)) is None


@pytest.mark.parametrize("body", [b"", b"no JSON", answer(None), answer(GOOD).replace(b"stop", b"length")])
def test_what_is_no_whole_answer_never_fits(body: bytes) -> None:
    """A cut answer can look whole."""
    assert recheck_of(ON).newly_valid(body) is None
    assert recheck_of(OFF).newly_invalid(body) is None


def test_switching_repair_changes_nothing_else() -> None:
    """The order of the schema's properties is that of the columns."""
    switched = with_repair(ON, is_on=False)

    assert json.loads(switched) == json.loads(OFF)
    assert with_repair(with_repair(ON, is_on=False), is_on=True) == with_repair(ON, is_on=True)
    assert list(json.loads(switched)["schema"]["properties"]) == ["mood", "mark"]


@pytest.mark.parametrize(("recipe", "is_on"), [(ON, True), (OFF, False), (recipe_of(), True)])
def test_a_recipe_says_whether_it_repairs(recipe: str, *, is_on: bool) -> None:
    """It does unless it says no."""
    assert has_repair(recipe) is is_on
