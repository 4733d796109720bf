"""What a run keeps of its recipe, in the words of its flags."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.rules.recipe import Ask, Out, Recipe
from runner.rules.stored_recipe import differences, stored_recipe

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
        ("out", "columns", [], ["cost"], ["columns none"]),
        ("out", "columns", ["cost", "asks"], [], ["columns cost,asks"]),
        ("out", "prefix", "", "llm_", ["prefix none"]),
        ("out", "prefix", "llm_", "", ["prefix llm_"]),
        ("ask", "reask", 2, 2, []),
    ],
)
def test_what_is_kept_is_said_in_words(
    section: str, name: str, stored: Any, wanted: Any, words: list[str]
) -> None:
    """A list, a switch and an empty text are not shown as JSON."""

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
