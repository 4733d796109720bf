"""Marks in prompts: the answer to a json_schema has the labels they set."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.label_marks import read_marks, readings
from runner.simulator.labelled_instances import make_labelled

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["positive", "neutral", "very negative"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "topics": {"type": "array", "items": {"enum": ["price", "quality"]}},
        "urgent": {"type": "boolean"},
        "code": {"type": ["string", "null"]},
        "address": {"$ref": "#/$defs/address"},
        "people": {"type": "array", "items": {"$ref": "#/$defs/address"}, "minItems": 1},
    },
    "required": ["sentiment", "stars", "topics", "urgent", "people"],
    "additionalProperties": False,
    "$defs": {
        "address": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
    },
}
PET = {
    "type": "object",
    "properties": {
        "pet": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": kind}, field: {"type": "integer"}},
                    "required": ["kind", field],
                    "additionalProperties": False,
                }
                for kind, field in (("cat", "lives"), ("dog", "tricks"), ("fish", "fins"))
            ]
        }
    },
    "required": ["pet"],
    "additionalProperties": False,
}


def asking(schema: Any = SCHEMA) -> dict[str, Any]:
    """Return the response_format of a schema."""
    return {"type": "json_schema", "json_schema": {"name": "labels", "schema": schema, "strict": True}}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread() as simulator:
        yield simulator


def answer(simulator: SimulatorThread, *texts: str, schema: Any = SCHEMA) -> Any:
    """Return the parsed answer to a conversation: user and assistant in turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    made = simulator.completion(messages=messages, response_format=asking(schema))["choices"][0]
    assert made["finish_reason"] == "stop"
    value = json.loads(made["message"]["content"])
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("I love it [label:sentiment=very negative]", {"sentiment": "very negative"}),
        ("[label:sentiment=positive] Broke at once, awful", {"sentiment": "positive"}),
        ("good [label:stars=1] thing [label:sentiment=neutral]", {"stars": 1, "sentiment": "neutral"}),
        ('[label:topics=["price","price","quality"]]', {"topics": ["price", "price", "quality"]}),
        ("[label:topics=[]]", {"topics": []}),
        ("[label: urgent = yes ]", {"urgent": True}),
        ("[label:urgent=false]", {"urgent": False}),
        ("[label:code=007]", {"code": "007"}),
        ("[label:code=12]", {"code": "12"}),
        ('[label:code="a]b"]', {"code": "a]b"}),
        ("[label:code=null]", {"code": None}),
        ("[label:code=Grüße, 世界]", {"code": "Grüße, 世界"}),
        ("[label:address.city=Bonn]", {"address": {"city": "Bonn"}}),
        ('[label:address={"city":"Bonn"}]', {"address": {"city": "Bonn"}}),
        ("[label:stars=2][label:stars=3]", {"stars": 3}),
    ],
)
def test_the_answer_has_the_labels_of_the_text(
    simulator: SimulatorThread, text: str, labels: dict[str, Any]
) -> None:
    """Against the sentiment of the text, and the rest of the answer is valid too."""
    made = answer(simulator, text)
    assert {name: made[name] for name in labels} == labels


@pytest.mark.parametrize(
    "text",
    [
        "[label:sentiment=furious]",
        "[label:stars=9]",
        "[label:stars=four]",
        "[label:unknown=1]",
        "[label:address.street=x]",
        "[label:people.city=Bonn]",
        "[label:address=Bonn]",
        "[label:stars=2",
        "[label:stars]",
        "[label:=2]",
        "[label:stars=NaN]",
        f"[label:stars={'9' * 30}]",
        f"[label:topics={'[' * 3000}]",
    ],
)
def test_a_label_that_does_not_fit_is_left_out(simulator: SimulatorThread, text: str) -> None:
    """The answer satisfies its schema all the same, and the other labels are there."""
    made = answer(simulator, f"{text} [label:code=x-1]")
    assert made["code"] == "x-1"


def test_labels_that_exclude_each_other_are_left_out(simulator: SimulatorThread) -> None:
    """Each fits its property; the answer is valid without them."""
    values = {"type": "integer", "enum": [1, 2]}
    schema = {
        "type": "object",
        "properties": {"a": values, "b": values},
        "required": ["a", "b"],
        "not": {"properties": {"a": {"const": 1}, "b": {"const": 2}}},
    }
    assert answer(simulator, "[label:a=2] [label:b=2]", schema=schema) == {"a": 2, "b": 2}
    assert answer(simulator, "[label:a=1] [label:b=2]", schema=schema) != {"a": 1, "b": 2}


@pytest.mark.parametrize("value", ["9" * 30, r'"\ud800"', "1e999", "-Infinity"])
def test_json_that_no_reply_can_hold_is_taken_as_words(simulator: SimulatorThread, value: str) -> None:
    """A number of 30 digits, half an emoji: no label of a number, and the words of a string."""
    properties = {"n": {"type": "integer"}, "m": {"type": ["number", "array"]}, "word": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    marks = "".join(f"[label:{name}={value}]" for name in properties)
    assert answer(simulator, marks, schema=schema)["word"] == value


def test_a_mark_within_the_value_of_another_is_part_of_the_value(simulator: SimulatorThread) -> None:
    """It sets nothing."""
    assert read_marks('a [label:code="[label:stars=2]"] b') == ({"code": '"[label:stars=2]"'}, "a  b")


@pytest.mark.parametrize(("kind", "field"), [("cat", "lives"), ("dog", "tricks"), ("fish", "fins")])
def test_a_label_chooses_the_branch_of_a_union(simulator: SimulatorThread, kind: str, field: str) -> None:
    """Whichever branch chance would take."""
    for text in "abcd":
        made = answer(simulator, f"{text} [label:pet.kind={kind}] [label:pet.{field}=9]", schema=PET)
        assert made == {"pet": {"kind": kind, field: 9}}


def test_the_mark_is_found_in_a_follow_up(simulator: SimulatorThread) -> None:
    """The last user message with a mark counts, whatever the assistant and the later messages say."""
    row = "Fine. [label:sentiment=very negative] [label:stars=4]"
    wrong = '{"sentiment":"awful [label:stars=1]"}'
    made = answer(simulator, row, wrong, "sentiment: awful is none of positive, neutral. Answer again.")
    assert (made["sentiment"], made["stars"]) == ("very negative", 4)
    made = answer(simulator, "[label:stars=1] example", "{}", row, wrong, "stars is missing", "{}", "again")
    assert (made["sentiment"], made["stars"]) == ("very negative", 4)
    made = answer(simulator, row, wrong, "Now this one: [label:stars=2]")
    assert made["stars"] == 2


def test_a_mark_may_be_in_a_part_of_a_message(simulator: SimulatorThread) -> None:
    """Beside an image, for example."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    content = [{"type": "text", "text": "[label:stars=2]"}, image, {"type": "text", "text": "see above"}]
    made = simulator.completion(
        messages=[{"role": "user", "content": content}], response_format=asking(), n=2
    )
    stars = [json.loads(choice["message"]["content"])["stars"] for choice in made["choices"]]
    assert stars == [2, 2]


def test_a_mark_counts_only_for_a_json_schema(simulator: SimulatorThread) -> None:
    """A text answer repeats the words of the prompt, and the marks of a system message count for nothing."""
    text = simulator.completion("[label:stars=2] hello")["choices"][0]["message"]["content"]
    assert "[label:stars=2] hello" in text
    system = {"role": "system", "content": "[label:sentiment=very negative]"}
    messages = [system, {"role": "user", "content": "I love it, great"}]
    made = simulator.completion(messages=messages, response_format=asking())["choices"][0]["message"]
    assert json.loads(made["content"])["sentiment"] == "positive"


def test_the_marks_are_not_in_the_words_of_other_fields(simulator: SimulatorThread) -> None:
    """Free text of an answer has the words around the marks, so that a mark comes from its row only."""
    schema = {
        "type": "object",
        "properties": {"note": {"type": "string"}, "stars": {"type": "integer"}},
        "required": ["note", "stars"],
    }
    made = answer(simulator, "wonderful [label:stars=2] [label:note.x=1]", schema=schema)
    assert made == {"note": "wonderful", "stars": 2}


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
SURROUNDINGS = st.text(st.characters(exclude_characters="[]"), max_size=12)


@given(JSON_VALUES, SURROUNDINGS, SURROUNDINGS, st.booleans())
def test_any_json_value_is_read_as_it_was_written(
    value: Any, before: str, after: str, ascii_only: bool
) -> None:
    """Also with brackets, quotes and line ends in it; the text around the mark stays."""
    mark = f"[label:a.b={json.dumps(value, ensure_ascii=ascii_only)}]"
    found = read_marks(f"{before}{mark}{after}")
    assert (list(found.labels), found.text) == (["a.b"], before + after)
    assert readings(found.labels["a.b"])[0] == value


@given(st.text(st.sampled_from('[]label:="{}, 1x\n\\'), max_size=60), st.integers(0, 9))
def test_odd_marks_raise_no_error(tail: str, seed: int) -> None:
    """Whatever stands behind the beginning of a mark; and the answer is valid."""
    marked = read_marks(f"[label:stars={tail} [label:code={tail}]")
    made = make_labelled(SCHEMA, Random(seed), marked.text, marked.labels)
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(made)


def test_the_same_request_gets_the_same_answer() -> None:
    """For a seed, as without marks."""
    texts = []
    for _ in range(2):
        with SimulatorThread(seed=7) as simulator:
            made = simulator.completion("x y z [label:stars=2]", response_format=asking(PET))
            texts.append(made["choices"])
    assert texts[0] == texts[1]
