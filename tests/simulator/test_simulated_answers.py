"""Simulated answers: text, structured outputs, tool calls, and their usage and cost."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.models import Catalogue
from runner.simulator.patterns import sample
from runner.simulator.schema_instances import make_instance
from runner.simulator.sentiment import score
from runner.simulator.usage import price_usage

REVIEW = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["positive", "negative", "neutral"]},
        "rating": {"type": "integer", "minimum": 1, "maximum": 5},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "topics": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["sentiment", "rating"],
    "additionalProperties": False,
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "children", "next"],
        }
    },
    "$ref": "#/$defs/node",
}
HARD_SCHEMAS: list[Any] = [
    True,
    {},
    REVIEW,
    TREE,
    {"type": ["string", "null"]},
    {"const": {"a": [1, None]}},
    {"type": "string", "pattern": r"^[A-Z]{2}\d{4}(-x+)?$"},
    {"type": "string", "pattern": r"^(?:\+\d{1,3} )?\d{3}[- ]?\d{4}$", "minLength": 9},
    {"type": "string", "minLength": 300, "maxLength": 310},
    {"type": "string", "maxLength": 0},
    {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", "c"]}, "minItems": 3},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "contains": {"const": 5}, "minItems": 2, "items": {"type": "integer"}},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60},
    {"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": -1},
    {"type": "number", "maximum": -1000.5},
    {
        "type": "object",
        "minProperties": 3,
        "propertyNames": {"pattern": "^[a-z]{3,8}$"},
        "additionalProperties": True,
    },
    {"type": "object", "patternProperties": {"^x-": {"type": "boolean"}}, "minProperties": 2},
    {"type": "object", "required": ["unnamed"], "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 2},
    {"not": {"type": "string"}},
    {"enum": ["x", 5], "type": "integer"},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 1000}]},
    {
        "allOf": [
            {"properties": {"a": {"minimum": 3}}},
            {"properties": {"a": {"maximum": 4, "type": "integer"}}},
        ]
    },
    {
        "properties": {"a": {"enum": [1, 2]}, "b": {}},
        "if": {"properties": {"a": {"const": 1}}},
        "then": {"required": ["b"]},
    },
    {"anyOf": [False, {"type": "boolean"}]},
    {"properties": {"a~b/c": {"type": "integer"}, "same": {"$ref": "#/properties/a~0b~1c"}}},
]


def is_valid(schema: Any, value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("schema", HARD_SCHEMAS, ids=json.dumps)
def test_an_instance_satisfies_its_schema(schema: Any) -> None:
    """For any seed and any text."""
    for seed in range(12):
        for text in ("I love it, great!", "not good, broke at once", ""):
            value = make_instance(schema, Random(seed), text)
            assert is_valid(schema, value), value


def test_an_absent_additional_properties_means_that_there_are_none() -> None:
    """As xAI reads it: no name is invented, even where the schema wants more properties."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "minProperties": 3}
    for seed in range(5):
        assert list(make_instance(schema, Random(seed), "text")) == ["a"]
        assert len(make_instance(schema | {"additionalProperties": True}, Random(seed), "text")) == 3


def test_one_of_is_read_as_any_of() -> None:
    """As xAI reads it: an instance may satisfy more than one branch, and each branch is made."""
    schema = {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 1000, "maximum": 1001}]}
    made = [make_instance(schema, Random(seed), "text") for seed in range(40)]
    assert made == [make_instance({"anyOf": schema["oneOf"]}, Random(seed), "text") for seed in range(40)]
    both = {"oneOf": [{"type": "integer"}, {"minimum": 0}], "allOf": [{"type": "integer"}]}
    values = [make_instance(both, Random(seed), "text") for seed in range(20)]
    assert all(type(value) is int for value in values)
    assert {is_valid({**both, "anyOf": both["oneOf"], "oneOf": [True]}, value) for value in values} == {True}
    assert False in {is_valid(both, value) for value in values}


def bounded(kind: str, least: str, most: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return schemas of a type with two bounds in order."""
    pairs = st.tuples(values, values).map(sorted)
    return pairs.map(lambda pair: {"type": kind, least: pair[0], most: pair[1]})


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["integer", "null"]}),
    bounded("integer", "minimum", "maximum", st.integers(-1000, 1000)),
    bounded("number", "minimum", "maximum", st.floats(-1000, 1000)),
    bounded("string", "minLength", "maxLength", st.integers(0, 40)),
    st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53), st.text(max_size=5)), min_size=1).map(
        lambda v: {"enum": v}
    ),
    st.sampled_from(["date", "email", "uuid"]).map(lambda name: {"type": "string", "format": name}),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text("abcdef", min_size=1, max_size=3)
    properties = st.dictionaries(names, inner, max_size=4)
    return st.tuples(properties, st.randoms(use_true_random=False), st.booleans()).map(
        lambda made: {
            "type": "object",
            "properties": made[0],
            "required": [name for name in made[0] if made[1].random() < 0.5],
            "additionalProperties": made[2],
        }
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(inner, bounded("array", "minItems", "maxItems", st.integers(0, 4))).map(
        lambda made: {**made[1], "items": made[0]}
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        objects(inner),
        arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(SCHEMAS, st.integers(0, 2**32))
def test_instances_of_small_schemas_satisfy_them(schema: Any, seed: int) -> None:
    """Nested objects, arrays, bounds, enums and unions."""
    value = make_instance(schema, Random(seed), "a fine text, nothing wrong")
    assert is_valid(schema, value), value


@pytest.mark.parametrize(
    "pattern",
    ["a{2,4}b?", "(x|yy)+", r"[^\d\s]{5}", r"\bword\b", "[a-c\\]-]+", r"A.\x41", "", "(?P<year>2\\d{3})"],
)
def test_samples_match_their_pattern(pattern: str) -> None:
    """For common forms of regular expressions."""
    import re

    for seed in range(20):
        assert re.fullmatch(pattern, sample(pattern, Random(seed)))


@pytest.mark.parametrize("pattern", ["(?=x)y", "(", "[a", "*", r"\p{L}", "a{2", "x{20000}"])
def test_a_pattern_it_cannot_parse_raises_no_error(pattern: str) -> None:
    """The value is then some string, and the request does not fail."""
    assert isinstance(make_instance({"type": "string", "pattern": pattern}, Random(1), "text"), str)


def test_references_out_of_the_document_raise_no_error() -> None:
    """No schema is fetched; any value is allowed."""
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "https://example.com/x.json"}},
        "minProperties": 1,
    }
    assert "a" in make_instance(schema, Random(1), "text")


def test_reviews_are_labelled_by_their_sentiment() -> None:
    """The words of the text choose the enum value and the rating."""
    reviews = {
        "I love it, great quality": ("positive", 5),
        "Broke after a day, what a waste": ("negative", 1),
        "It is not good": ("negative", 1),
        "It arrived on Tuesday": ("neutral", 3),
    }
    for text, (sentiment, rating) in reviews.items():
        made = make_instance(REVIEW, Random(3), text)
        assert (made["sentiment"], made["rating"]) == (sentiment, rating), text
    assert -1 <= score("great but broken") <= 1


def test_a_structured_output_is_json_that_fits() -> None:
    """With response_format json_schema and json_object, over HTTP."""
    with SimulatorThread() as simulator:
        review = {"type": "json_schema", "json_schema": {"name": "review", "schema": REVIEW, "strict": True}}
        message = simulator.completion("Great phone, love it", response_format=review)["choices"][0][
            "message"
        ]
        assert is_valid(REVIEW, json.loads(message["content"]))
        free = simulator.completion(response_format={"type": "json_object"})["choices"][0]["message"]
        assert isinstance(json.loads(free["content"]), dict)


def test_tools_are_called_by_tool_choice() -> None:
    """auto and required call the first tool, a name that one, none no tool; a tool result ends the loop."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [
        {"type": "function", "function": {"name": "weather", "parameters": city}},
        {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}},
    ]
    with SimulatorThread() as simulator:
        for choice in ({}, {"tool_choice": "auto"}, {"tool_choice": "required"}):
            made = simulator.completion(tools=tools, **choice)["choices"][0]
            assert made["finish_reason"] == "tool_calls"
            call = made["message"]["tool_calls"][0]
            assert call["function"]["name"] == "weather"
            assert is_valid(city, json.loads(call["function"]["arguments"]))
        named = {"type": "function", "function": {"name": "clock"}}
        made = simulator.completion(tools=tools, tool_choice=named)["choices"][0]
        assert made["message"]["tool_calls"][0]["function"]["name"] == "clock"
        assert simulator.completion(tools=tools, tool_choice="none")["choices"][0]["finish_reason"] == "stop"
        after_call = [
            {"role": "user", "content": "?"},
            {"role": "tool", "tool_call_id": "1", "content": "rain"},
        ]
        assert simulator.completion(tools=tools, messages=after_call)["choices"][0]["message"]["content"]


def test_the_usage_adds_up_and_the_ticks_follow_the_formula() -> None:
    """total = prompt + completion + reasoning; reasoning has the output price."""
    with SimulatorThread() as simulator:
        for number in range(20):
            usage = simulator.completion(f"question {number} " * number)["usage"]
            prompt, output = usage["prompt_tokens"], usage["total_tokens"] - usage["prompt_tokens"]
            details = usage["prompt_tokens_details"]
            cached = details["cached_tokens"]
            assert (
                output == usage["completion_tokens"] + usage["completion_tokens_details"]["reasoning_tokens"]
            )
            assert details["text_tokens"] + details["image_tokens"] == prompt
            ticks = (prompt - cached) * 30_000 + cached * 7_500 + output * 150_000
            assert usage["cost_in_usd_ticks"] == ticks
            assert prompt > 680 >= cached


def test_the_price_of_a_real_request_is_exact() -> None:
    """A bill of the real API: 10,120 prompt tokens, 128 cached, 1,499 + 2,809 output on grok-4.20."""
    model = Catalogue().find("grok-4.20")
    assert model is not None
    usage = price_usage(model, text=10_120, image=0, cached=128, completion=1_499, reasoning=2_809)
    assert (usage.ticks, usage.total) == (232_856_000, 14_428)


def test_a_long_prompt_takes_the_long_price_for_everything() -> None:
    """grok-4-0709: from 128,001 prompt tokens on $6, $1.50 and $30 per million."""
    model = Catalogue(keep_retired=True).find("grok-4")
    assert model is not None
    short = price_usage(model, text=128_000, image=0, cached=1_000, completion=10, reasoning=10)
    long = price_usage(model, text=128_001, image=0, cached=1_000, completion=10, reasoning=10)
    assert short.ticks == 127_000 * 30_000 + 1_000 * 7_500 + 20 * 150_000
    assert long.ticks == 127_001 * 60_000 + 1_000 * 15_000 + 20 * 300_000


def test_images_and_choices_and_efforts_count() -> None:
    """Images are prompt tokens; n sums the output and bills the prompt once; effort scales reasoning."""
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}
    with SimulatorThread() as simulator:
        with_image = simulator.completion(
            messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, image]}]
        )
        assert with_image["usage"]["prompt_tokens_details"]["image_tokens"] == 512
        three = simulator.completion(n=3)
        assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
        assert three["usage"]["prompt_tokens"] == simulator.completion(n=1)["usage"]["prompt_tokens"]

        def reasoning(model: str, **effort: str) -> int:
            details = simulator.completion(model=model, **effort)["usage"]["completion_tokens_details"]
            return int(details["reasoning_tokens"])

        assert reasoning("grok-4.3", reasoning_effort="none") == 0
        assert reasoning("grok-4.20-non-reasoning") == 0
        assert reasoning("grok-4") > 0


def test_a_small_cap_cuts_the_visible_text() -> None:
    """finish_reason is length; reasoning is not capped."""
    with SimulatorThread() as simulator:
        made = simulator.completion(max_completion_tokens=3)
        assert made["choices"][0]["finish_reason"] == "length"
        assert len(made["choices"][0]["message"]["content"]) <= 12
        assert made["usage"]["completion_tokens"] == 3
        assert made["usage"]["completion_tokens_details"]["reasoning_tokens"] > 3


def test_old_replies_lack_the_ticks() -> None:
    """With --no-ticks all other fields stay."""
    with SimulatorThread(no_ticks=True) as simulator:
        usage = simulator.completion()["usage"]
        assert "cost_in_usd_ticks" not in usage
        assert usage["num_sources_used"] == 0
