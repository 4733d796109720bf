"""What a run keeps of its recipe, in the words of its flags."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.rules.labels.stored_recipe import differences, stored_recipe, with_output
from runner.rules.recipes.recipe import Ask, Out, Recipe

STORED: dict[str, dict[str, Any]] = {
    "ask": {"reask": 2, "repair": True},
    "out": {"columns": [], "prefix": ""},
}


@pytest.mark.parametrize(
    ("section", "name", "stored", "wanted", "words"),
    [
        ("ask", "reask", 0, 2, ["reask 0"]),
        ("ask", "repair", True, False, ["repair on"]),
        ("ask", "repair", False, True, ["repair off"]),
        ("ask", "reask", 2, 2, []),
        ("out", "columns", [], ["cost"], []),
    ],
)
def test_what_is_kept_is_said_in_words(
    section: str, name: str, stored: Any, wanted: Any, words: list[str]
) -> None:
    """A switch is not shown as JSON. Columns and prefix are not kept: the last command says them."""

    def recipe(value: Any) -> str:
        return json.dumps({**STORED, section: {**STORED[section], name: value}})

    assert differences(recipe(stored), recipe(wanted)) == words


def test_a_run_keeps_what_its_answers_are_held_against() -> None:
    """The schema in its order, since that is the order of the columns."""
    recipe = Recipe(ask=Ask(reask=1), out=Out(columns=("cost",), prefix="p"))
    stored = stored_recipe(recipe, schema=b'{"b":1,"a":2}', table_format="csv")

    assert '"schema":{"b":1,"a":2},"ask":{"reask":1,"repair":true}' in stored
    assert json.loads(stored)["out"] == {"columns": ["cost"], "prefix": "p"}
    assert json.loads(stored)["table"] == {"format": "csv", "encoding": None, "delimiter": None}


def test_columns_and_prefix_of_another_recipe_replace_those_of_a_stored_one() -> None:
    """What is asked, and how it is judged, stays."""
    wanted = {"ask": {"reask": 5, "repair": False}, "out": {"columns": ["cost"], "prefix": "llm_"}}

    found = json.loads(with_output(json.dumps(STORED), json.dumps(wanted)))

    assert found == {"ask": STORED["ask"], "out": wanted["out"]}
