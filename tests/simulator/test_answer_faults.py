"""Wrong answers to a json_schema, by rate: paid, counted, and drawn again for each attempt."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.answer_faults import spoil
from runner.simulator.faults import ANSWER_KINDS, TRANSIENT, Faults, parse_rates
from runner.simulator.schema_instances import make_instance

SCHEMA = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["positive", "neutral", "negative"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "topics": {"type": "array", "items": {"enum": ["price", "quality"]}, "minItems": 1},
        "note": {"type": "string"},
    },
    "required": ["sentiment", "stars", "topics", "note"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "labels", "schema": SCHEMA, "strict": True}}
ROW = "Nice [label:sentiment=negative] [label:stars=4]"
DECODER = json.JSONDecoder()


def is_valid(schema: Any, value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def objects_in(text: str) -> list[Any]:
    """Return the JSON objects of a text, from left to right."""
    found = []
    at = text.find("{")
    while at >= 0:
        try:
            value, at = DECODER.raw_decode(text, at)
            found.append(value)
        except ValueError:
            at += 1
        at = text.find("{", at)
    return found


def is_right(value: Any) -> bool:
    """Return whether a value is the answer that ROW asks for."""
    return is_valid(SCHEMA, value) and (value["sentiment"], value["stars"]) == ("negative", 4)


def has_fault(kind: str, text: str) -> bool:
    """Return whether the text of an answer to ROW is wrong in this way, and in no other."""
    found = objects_in(text)
    match kind:
        case "invalid":
            return not is_valid(SCHEMA, json.loads(text))
        case "fenced":
            head, body, tail = text.split("\n")
            return (head, tail) == ("```json", "```") and is_right(json.loads(body))
        case "prose":
            inside = json.dumps(found[0], separators=(",", ":"))
            before, _, after = text.partition(inside)
            return len(found) == 1 and is_right(found[0]) and bool(before.strip() and after.strip())
        case "two_objects":
            return len(found) == 2 and found[0] != found[1] and any(map(is_right, found))
        case _:
            return text.startswith('{"') and not is_json(text)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", ANSWER_KINDS)
def test_a_wrong_answer_is_paid_and_counted(kind: str) -> None:
    """It ends with stop, its tokens are those of its text, and the books name it for each job."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        for number in range(8):
            made = simulator.completion(f"{number} {ROW}", response_format=FORMAT)
            (choice,) = made["choices"]
            text = choice["message"]["content"]
            assert has_fault(kind, text), text
            assert choice["finish_reason"] == "stop"
            assert made["usage"]["completion_tokens"] == (len(text.encode()) + 3) // 4
        books = simulator.books(jobs=True)
        assert books["faults"] == {kind: 8}
        assert {(job["outcome"], job["answer_fault"]) for job in books["jobs"]} == {("fetched", kind)}
        assert books["ticks_fetched"] == books["ticks_accepted"] > 0


def test_they_are_for_answers_to_a_json_schema_only() -> None:
    """Not for text, a json_object, a tool call, a refusal or an empty answer."""
    tool = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
    with SimulatorThread(faults={"cut_json": 1.0}) as simulator:
        assert simulator.completion()["choices"][0]["message"]["content"].endswith(".")
        free = simulator.completion(response_format={"type": "json_object"})["choices"][0]["message"]
        assert is_json(free["content"])
        call = simulator.completion(response_format=FORMAT, tools=[tool])["choices"][0]["message"]
        assert is_valid(SCHEMA, json.loads(call["tool_calls"][0]["function"]["arguments"]))
        for marker, content in (("refusal", ""), ("empty", "")):
            made = simulator.completion(f"[simulate:{marker}]", response_format=FORMAT)["choices"][0]
            assert made["message"]["content"] == content
        assert simulator.books()["faults"] == {}


def test_an_answer_cut_by_its_cap_has_no_other_fault() -> None:
    """What was wrong with it does not show: it is a cut answer, and no fault is counted."""
    with SimulatorThread(faults={"fenced": 1.0}) as simulator:
        made = simulator.completion(response_format=FORMAT, max_completion_tokens=4)["choices"][0]
        assert made["finish_reason"] == "length"
        assert simulator.books(jobs=True)["jobs"][0]["answer_fault"] is None
        assert simulator.books()["faults"] == {}


def test_only_an_answer_that_was_fetched_counts() -> None:
    """One that is lost is counted as lost; its entry has the fault all the same."""
    with SimulatorThread(faults={"prose": 1.0, "lost": 1.0}) as simulator:
        request_id = simulator.submit_id(ROW, response_format=FORMAT)
        assert simulator.fetch(request_id).status == 404
        books = simulator.books(jobs=True)
        assert (books["faults"], books["jobs"][0]["answer_fault"]) == ({"lost": 1}, "prose")


def test_each_attempt_draws_again() -> None:
    """The same request gets a wrong answer and a right one, at about the rate, the same for a seed."""
    rounds = []
    for _ in range(2):
        with SimulatorThread(seed=3, faults={"invalid": 0.5}) as simulator:
            texts = [
                simulator.completion(ROW, response_format=FORMAT)["choices"][0]["message"]["content"]
                for _ in range(24)
            ]
            rounds.append(texts)
            valid = [is_valid(SCHEMA, json.loads(text)) for text in texts]
            assert simulator.books()["faults"] == {"invalid": valid.count(False)}
            assert 6 <= valid.count(False) <= 18
    assert rounds[0] == rounds[1]


def test_other_draws_are_not_changed() -> None:
    """With answers at fault, submits, fetches and results fail as they do without."""
    rates = {"503": 0.3, "lost": 0.3}
    plain, more = (Faults(5, parse_rates(given)) for given in (rates, rates | {"prose": 0.5}))
    for point in ("submit", "fetch", "result"):
        drawn = []
        for _ in range(50):
            drawn.append(more.draw(point))
            more.draw("answer")
        assert drawn == [plain.draw(point) for _ in range(50)]
    assert not set(ANSWER_KINDS) & set(TRANSIENT), "--faults is as it was"


def test_they_change_live_and_in_a_streamed_answer() -> None:
    """By the switch of faults; every choice of an answer has the fault."""
    with SimulatorThread() as simulator:
        assert simulator.switch(faults={"two_objects": 0.6, "fenced": 0.4}).status == 200
        simulator.switch(faults={"fenced": 1.0})
        made = simulator.completion(ROW, response_format=FORMAT, n=3)["choices"]
        assert all(has_fault("fenced", choice["message"]["content"]) for choice in made)
        raw = simulator.submit(ROW, response_format=FORMAT, deferred=False, stream=True).raw
        assert b"```json" in raw
        assert simulator.books()["faults"] == {"fenced": 2}
        assert simulator.switch(faults={"fenced": 0.6, "prose": 0.6}).status == 400
        assert simulator.switch(faults={"submit:fenced": 0.1}).status == 400


SPOILABLE: list[Any] = [
    SCHEMA,
    {"enum": ["a"]},
    {"type": "string"},
    {"type": "array", "items": {"type": "boolean"}},
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"oneOf": [{"const": 1}, {"const": None}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"enum": [True]}}},
    {"const": {"a": [1, {"b": 0.5}]}},
]


@given(st.sampled_from(SPOILABLE), st.integers(0, 2**32))
def test_every_fault_is_what_its_name_says(schema: Any, seed: int) -> None:
    """For objects, arrays and words; with the oneOf of xAI, which is anyOf."""
    answer = make_instance(schema, Random(seed), "a fine text")
    text = json.dumps(answer, separators=(",", ":"))
    spoiled = {kind: spoil(kind, schema, answer, Random(seed)) for kind in ANSWER_KINDS}
    assert not is_valid(schema, json.loads(spoiled["invalid"] or "null"))
    assert spoiled["fenced"] == f"```json\n{text}\n```"
    assert text in (spoiled["prose"] or "")
    assert text in (spoiled["two_objects"] or "")
    assert (spoiled["two_objects"] or "").count(text) == 1, "the other is another one"
    assert text.startswith(spoiled["cut_json"] or "?")
    assert not is_json(spoiled["cut_json"] or "{}")


def test_the_other_of_two_objects_is_an_object() -> None:
    """Where the schema allows null as well."""
    schema = {"type": ["object", "null"], "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    for seed in range(40):
        text = spoil("two_objects", schema, {"a": True}, Random(seed)) or ""
        assert sorted(made["a"] for made in objects_in(text)) == [False, True]


def test_an_answer_that_only_one_of_forbids_is_right() -> None:
    """Two branches of a oneOf may accept it: no fault is made of that."""
    schema = {"oneOf": [{"enum": ["a", "rather a"]}, {"const": "rather a"}]}
    assert all(spoil("invalid", schema, "a", Random(seed)) == '"unclear"' for seed in range(5))


def test_some_answers_cannot_be_wrong() -> None:
    """No JSON breaks a schema of true, and a number without its end is a number."""
    assert spoil("invalid", True, {"a": 1}, Random(1)) is None
    assert spoil("cut_json", {"type": "integer"}, 12, Random(1)) is None
    anything = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    with SimulatorThread(faults={"invalid": 1.0}) as simulator:
        assert simulator.completion(response_format=anything)["choices"]
        assert simulator.books()["faults"] == {}
