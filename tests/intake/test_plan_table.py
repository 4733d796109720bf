"""The plan of a table: what is found before a row is read, what all rows share, and examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from memory_table import SCHEMA, MemoryTable, recipe_with, texts_of

from runner.intake.plan_table import plan_table
from runner.rules.recipes.recipe import Prompt, Recipe, RecipeError, TableChoice
from runner.rules.table_faults import TableFault

if TYPE_CHECKING:
    from runner.intake.compile_table import Plan

COLUMNS = ("id", "review", "product")
LABELS = orjson.dumps(
    {
        "type": "object",
        "properties": {
            "sentiment": {"type": "string", "enum": ["good", "bad"]},
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
            "urgent": {"type": "boolean"},
            "topics": {"type": "array", "items": {"$ref": "#/$defs/topic"}},
            "note": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
        },
        "required": ["sentiment", "stars", "urgent", "topics", "note"],
        "additionalProperties": False,
        "$defs": {"topic": {"type": "string", "enum": ["price", "service"]}},
    }
)


def planned(
    recipe: Recipe,
    *,
    system: str = "You label.",
    examples: MemoryTable | None = None,
    columns: tuple[str, ...] = COLUMNS,
    schema: bytes = SCHEMA,
) -> Plan:
    """Return the plan of a recipe."""
    return plan_table(recipe, texts_of(recipe, system, schema), columns, examples=examples, title="r.toml")


def faults_of(recipe: Recipe, **other: Any) -> list[str]:
    """Return the faults of a recipe that is refused."""
    with pytest.raises(RecipeError) as raised:
        planned(recipe, **other)
    return list(raised.value.where)


@pytest.mark.parametrize(
    ("prompt", "choice", "fault"),
    [
        ({"text": "review_x"}, {}, 'prompt.text: there is no column "review_x"; did you mean "review"?'),
        ({"text": "review", "image": "photo"}, {}, 'prompt.image: there is no column "photo"; there are: id'),
        ({"text": "review"}, {"id": "ID"}, 'table.id: there is no column "ID"; did you mean "id"?'),
        ({"text": "review"}, {"where": "revie"}, 'table.where: line 1: there is no column "revie"; did you'),
        ({"text": "review"}, {"where": "a b"}, "table.where: line 1: there is more after its end; write it"),
        ({"text": "review"}, {"where": "a = 3"}, "with == for equal"),
        ({"text": "review"}, {"where": "a <"}, "unexpected 'end of the expression'"),
        ({"user": "review"}, {}, "prompt.user: it has no column, so that it is the same for all rows"),
        ({"user": "\n{{ x y }}"}, {}, "prompt.user: line 2: "),
        (
            {"user": "{{ review }}", "constants": {"review": "x"}},
            {},
            "prompt.set.review: the table has a col",
        ),
        ({"user": "{{ review }}", "constants": {"a b": "x"}}, {}, "prompt.set.a b: this is no name"),
        ({"user": "{{ review }}", "constants": {"cell": "x"}}, {}, "prompt.set.cell: this is no name"),
        ({"text": "review", "system": "{{ review }}"}, {}, 'the column "review" cannot be used here'),
        ({"text": "review", "system": "{{ 1 / 0 }}"}, {}, "prompt.system: system, line 1: division by zero"),
        ({"text": "review", "system": "{{ shop }}"}, {}, 'prompt.system: line 1: there is no column "shop"'),
        ({}, {}, "prompt: there is no prompt"),
    ],
)
def test_a_fault_is_found_before_a_row_is_read(
    prompt: dict[str, Any], choice: dict[str, Any], fault: str
) -> None:
    """With the key of the recipe, and the cure."""
    (found,) = faults_of(recipe_with(choice=TableChoice(**choice), **prompt))
    assert fault in found


def test_all_faults_are_found_in_one_pass() -> None:
    """Of the choice, the system prompt and the user prompt."""
    recipe = recipe_with(
        choice=TableChoice(where="a1", id="b2"), user="{{ c3 }}{{ d4 }}", system="{{ e5 }}", image="f6"
    )
    assert len(faults_of(recipe)) == 6


@pytest.mark.parametrize(
    ("body", "words"),
    [({"temperature": 5}, "temperature must be a number from 0 to 2"), ({"n": 2}, "one job has one answer")],
)
def test_the_shared_part_is_validated_as_a_job_line_is(body: dict[str, Any], words: str) -> None:
    """Once, and not with each row."""
    recipe = Recipe(prompt=Prompt(text="review"), labels={"a": "b|c"}, body=body)
    assert words in faults_of(recipe)[0]


def test_an_unknown_field_of_the_body_is_a_warning() -> None:
    """As in a job file."""
    plan = planned(Recipe(prompt=Prompt(text="review"), labels={"a": "b|c"}, body={"temprature": 1}))
    assert [warning.code for warning in plan.warnings] == ["unknown-field"]
    assert b'"temprature":1}' in plan.frame.tail


def test_a_header_that_repeats_is_refused_only_where_it_is_read() -> None:
    """Which of the two would be meant?"""
    recipe = recipe_with(text="review")
    assert planned(recipe, columns=("review", "x", "x")).columns == ("review",)
    assert "more than one column" in faults_of(recipe, columns=("review", "review"))[0]


def test_only_what_is_used_is_read() -> None:
    """In the order of the table."""
    recipe = recipe_with(choice=TableChoice(id="id", where="product"), user="{{ review }}")
    assert planned(recipe).columns == ("id", "review", "product")
    assert planned(recipe_with(user="{{ product }}")).columns == ("product",)


def test_the_system_prompt_is_shared_and_ends_with_the_instructions() -> None:
    """It may have constants."""
    recipe = recipe_with(text="review", system="For {{ shop }}.", constants={"shop": "north"})
    assert b'"content":"For north.\\n\\nAnswer with sentiment."' in planned(recipe).frame.head
    alone = recipe_with(text="review", system="")
    assert b'"content":"Answer with sentiment."' in planned(alone).frame.head


def example_messages(rows: list[Any], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the messages of examples in a request."""
    recipe = recipe_with(user="{{ product }}: {{ review }}")
    plan = planned(recipe, examples=MemoryTable(columns, rows), schema=LABELS)
    messages: list[dict[str, Any]] = orjson.loads(plan.frame.body(b'"last"'))["messages"]
    return messages[1:-1]


LABELED = ("product", "review", "sentiment", "stars", "urgent", "topics", "note")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (
            ("good", "5", "yes", "price|service", ""),
            {"stars": 5, "urgent": True, "topics": ["price", "service"]},
        ),
        (("good", "5", "NO", "", "x"), {"stars": 5, "urgent": False, "topics": [], "note": "x"}),
        (("good", 5, True, ["price"], None), {"stars": 5, "urgent": True, "topics": ["price"]}),
        (
            (" good", "5", "true", '["price"]', "5"),
            {"stars": 5, "urgent": True, "topics": ["price"], "note": "5"},
        ),
    ],
)
def test_an_example_is_a_pair_of_messages(cells: tuple[Any, ...], labels: dict[str, Any]) -> None:
    """The user's comes from the same template; the answer has the types of the schema and its order."""
    user, assistant = example_messages([("lamp", "fine", *cells)], LABELED)

    assert user == {"role": "user", "content": "lamp: fine"}
    assert assistant["role"] == "assistant"
    found = orjson.loads(assistant["content"])
    assert found == {"sentiment": "good", "note": None, **labels}
    assert list(found) == list(LABELED[2:])


@pytest.mark.parametrize(
    ("columns", "row", "fault"),
    [
        (LABELED[:-1], ("l", "f", "good", "5", "no", ""), 'the examples have no column "note"'),
        (LABELED[1:], ("f", "good", "5", "no", "", ""), 'the examples have no column "product"'),
        (LABELED, ("l", "f", "fine", "5", "no", "", ""), 'row 1, column sentiment: "fine" does not fit'),
        (LABELED, ("l", "f", "good", "6", "no", "", ""), 'row 1, column stars: "6" does not fit'),
        (LABELED, ("l", None, "good", "5", "no", "", ""), "row 1, column review: user, line 1"),
        (
            LABELED,
            TableFault(row=1, code="ragged-row", reason="the row has 9 cells", fix="quote it"),
            "row 1: the row has 9 cells; quote it",
        ),
    ],
)
def test_a_wrong_example_is_named(columns: tuple[str, ...], row: Any, fault: str) -> None:
    """By row and column; nothing is sent."""
    found = faults_of(
        recipe_with(user="{{ product }}: {{ review }}"), examples=MemoryTable(columns, [row]), schema=LABELS
    )
    assert len(found) == 1
    assert found[0].startswith("prompt.examples: ")
    assert fault in found[0]


def test_examples_without_rows_are_refused() -> None:
    """A file that was named by mistake."""
    examples = MemoryTable((*COLUMNS, "sentiment"), [])
    assert "have no rows" in faults_of(recipe_with(text="review"), examples=examples)[0]
