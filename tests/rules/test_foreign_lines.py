"""Single rules of the conversion of foreign lines: fields by model, ids, metadata, models, odd values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.rules.foreign.changes import Changes
from runner.rules.foreign.convert_line import ConvertedLine, convert_line
from runner.rules.foreign.efforts import effort_of_budget, nearest_effort
from runner.rules.foreign.gemini_schema import camel, json_schema_of
from runner.rules.requests.request import Defaults, read_request

if TYPE_CHECKING:
    from runner.rules.diagnostics import Diagnostic

SAMPLES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "conversions").glob("*.jsonl"))
    if not path.name.endswith(".held.jsonl")
    for line in path.read_bytes().splitlines()
]
HELLO = [{"role": "user", "content": "Hello"}]
PNG = "iVBORw0KGgo="


def convert(line: Any, model: str | None = "grok-4.3") -> ConvertedLine:
    """Convert a line; fail where it is refused."""
    made = convert_line(json.dumps(line).encode(), 3, model)
    assert isinstance(made, ConvertedLine), made
    return made


def body_of(line: Any, model: str | None = "grok-4.3") -> dict[str, Any]:
    """Return the body of the job line that a line becomes."""
    found = json.loads(convert(line, model).raw)["body"]
    assert isinstance(found, dict)
    return found


def refusal_of(line: Any, model: str | None = "grok-4.3") -> Diagnostic:
    """Return the refusal of a line; fail where it is converted."""
    made = convert_line(json.dumps(line).encode(), 3, model)
    assert isinstance(made, list), made
    return made[0]


def chat(**fields: Any) -> dict[str, Any]:
    """Return a line of OpenAI's batches with these fields of the body."""
    return {"custom_id": "a", "body": {"messages": HELLO, **fields}}


def claude(**fields: Any) -> dict[str, Any]:
    """Return a line of Anthropic's batches with these parameters."""
    return {"custom_id": "a", "params": {"max_tokens": 9, "messages": HELLO, **fields}}


def gemini(**fields: Any) -> dict[str, Any]:
    """Return a line of Gemini's batches with these fields of the request."""
    return {"key": "a", "request": {"contents": [{"parts": [{"text": "Hello"}]}], **fields}}


@pytest.mark.parametrize(
    ("model", "field", "given_value", "sent"),
    [
        ("grok-4.3", "stop", ["a"], None),
        ("grok-4.20-non-reasoning", "stop", "a", ["a"]),
        ("grok-4.20-non-reasoning", "stop", ["a", "b", "c", "d", "e"], ["a", "b", "c", "d"]),
        ("grok-4.20-non-reasoning", "stop", [], None),
        ("grok-4.3", "presence_penalty", 1, None),
        ("grok-build-0.1", "presence_penalty", 1, 1),
        ("grok-4.3", "reasoning_effort", "minimal", "low"),
        ("grok-4.3", "reasoning_effort", "none", "none"),
        ("grok-4.3", "reasoning_effort", "max", "xhigh"),
        ("grok-4.5", "reasoning_effort", "none", "low"),
        ("grok-4.5", "reasoning_effort", "xhigh", "high"),
        ("grok-4.20", "reasoning_effort", "high", None),
        ("grok-4.3", "reasoning_effort", "enormous", None),
        ("grok-build-0.1", "reasoning_effort", "minimal", "low"),
        ("grok-4.3", "logprobs", True, None),
        ("grok-4.3", "user", "u", "u"),
        ("grok-4.3", "prompt_cache_key", "k", "k"),
        ("grok-4.3", "seed", 7, 7),
        ("grok-4.3", "n", 1, None),
        ("grok-4.3", "stream", False, None),
        ("grok-4.3", "audio", None, None),
    ],
)
def test_a_field_is_sent_as_the_model_takes_it(model: str, field: str, given_value: Any, sent: Any) -> None:
    """None stands for a field that is left out."""
    assert body_of(chat(**{field: given_value}), model).get(field) == sent


@pytest.mark.parametrize(
    ("fields", "name", "sent"),
    [
        ({"thinking": {"type": "disabled"}}, "reasoning_effort", "none"),
        ({"thinking": {"type": "enabled"}}, "reasoning_effort", None),
        ({"reasoning": {"effort": "high"}}, "reasoning_effort", "high"),
        ({"reasoning": {"max_tokens": 2_000}}, "reasoning_effort", "low"),
        ({"reasoning": {"enabled": False}}, "reasoning_effort", "none"),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning_effort", "high"),
        ({"response_format": {"type": "json_object"}}, "response_format", {"type": "json_object"}),
        (
            {"response_format": {"type": "json_object", "schema": {"type": "object"}}},
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
        ),
        ({"guided_json": {"type": "object"}}, "guided_json", None),
    ],
)
def test_words_of_services_with_openais_form(fields: dict[str, Any], name: str, sent: Any) -> None:
    """Such as OpenRouter, DeepSeek, Together and vLLM."""
    assert body_of(chat(**fields)).get(name) == sent


def test_what_has_no_effect_is_no_change() -> None:
    """One answer, not streamed, no probabilities: so it is anyway. The line keeps its bytes."""
    raw = (
        b'{"custom_id": "a",  "body": {"messages": [{"role":"user","content":"x"}], "n": 1, "stream":false}}'
    )
    made = convert_line(raw, 1, None)

    assert isinstance(made, ConvertedLine)
    assert (made.raw, made.changes) == (raw, ())


@pytest.mark.parametrize(
    ("line", "custom_id"),
    [
        ({"custom_id": "a", "params": {"messages": HELLO}}, "a"),
        ({"id": 7, "messages": HELLO}, "7"),
        ({"messages": HELLO}, "line-3"),
        (gemini(), "a"),
        ({"request": {"contents": [{"parts": [{"text": "hi"}]}]}, "metadata": {"key": "k"}}, "k"),
        ({"recordId": "r", "modelInput": {"messages": HELLO}}, "r"),
        ({"batch_request_id": "b", "batch_request": {"chat_get_completion": {"messages": HELLO}}}, "b"),
    ],
)
def test_the_id_is_kept(line: Any, custom_id: str) -> None:
    """Under whatever name; a number becomes text, and a line without an id gets that of its place."""
    assert convert(line).custom_id == custom_id


@pytest.mark.parametrize(
    ("line", "metadata"),
    [
        (chat(metadata={"row": "1"}), {"row": "1"}),
        ({**chat(), "metadata": [1]}, [1]),
        ({**chat(metadata={"row": "1"}), "metadata": {"a": 1}}, {"line": {"a": 1}, "body": {"row": "1"}}),
        ({**chat(), "row": 1}, {"row": 1}),
        ({**chat(), "row": 1, "metadata": {"row": 2, "a": 3}}, {"row": 2, "a": 3}),
        ({"id": "a", "messages": HELLO, "row": 12345678901234567890123}, {"row": 12345678901234567890123}),
        ({**chat(), "api_key": "xai-0123456789abcdef"}, None),
    ],
)
def test_metadata_reaches_the_job_line(line: Any, metadata: Any) -> None:
    """That of the body, too, and fields beside it that no service documents; never a key."""
    assert json.loads(convert(line).raw).get("metadata") == metadata


@pytest.mark.parametrize(
    ("named", "given_model", "sent"),
    [
        ("grok-4.3", None, "grok-4.3"),
        ("grok-9-beta", None, "grok-9-beta"),
        ("xai/grok-4.3", None, "grok-4.3"),
        ("x-ai/grok-4.3", None, "grok-4.3"),
        (None, None, None),
        ("gpt-4o", "grok-4.5", "grok-4.5"),
        ("grok-4.3", "grok-4.5", "grok-4.5"),
        (None, "grok-4.5", "grok-4.5"),
    ],
)
def test_the_model_of_a_line(named: str | None, given_model: str | None, sent: str | None) -> None:
    """One of xAI's stays, a missing one stays missing; the user's is for every line."""
    assert body_of(chat(model=named, temperature=0), given_model).get("model") == sent


def test_a_model_of_another_service_needs_one_of_xai() -> None:
    """The cure can be typed."""
    found = refusal_of(chat(model="gpt-4o"), None)

    assert found.code == "foreign-model"
    assert "--model grok-4.3" in found.fix


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (claude(container="c"), "stored-elsewhere"),
        (claude(mcp_servers=[{"url": "https://a.example"}]), "built-in-tool"),
        (claude(prefill={"x": 1}), "no-counterpart"),
        (claude(tool_choice={"type": "some"}), "bad-value"),
        (claude(messages=[{"role": "user", "content": [{"type": "server_tool_use"}]}]), "no-counterpart"),
        (claude(messages="x"), "bad-type"),
        (gemini(tools=[{"codeExecution": {}}]), "built-in-tool"),
        (gemini(generationConfig={"responseModalities": ["AUDIO"]}), "no-counterpart"),
        (
            gemini(contents=[{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "AA"}}]}]),
            "no-counterpart",
        ),
        (gemini(contents=[{"parts": [{"functionResponse": {"name": "f"}}]}]), "missing-call"),
        (gemini(contents=[{"role": "system", "parts": [{"text": "x"}]}]), "unknown-role"),
        (chat(tools=[{"type": "code_interpreter"}]), "built-in-tool"),
        (chat(tools=[{"type": "custom", "custom": {"name": "x"}}]), "built-in-tool"),
        (chat(messages=[{"role": "function", "name": "f", "content": "1"}]), "missing-call"),
        (chat(response_format={"type": "grammar"}), "no-counterpart"),
        (chat(plugins=[{"id": "web"}]), "built-in-tool"),
        ({"recordId": "a", "modelInput": {"prompt": "[INST] x [/INST]"}}, "prompt-template"),
        ({"custom_id": "a", "url": "/v1/completions", "body": {"prompt": "x"}}, "wrong-url"),
        ({"custom_id": "a", "method": "GET", "url": "/v1/chat/completions", "body": {}}, "wrong-method"),
        ({"custom_id": "a", "url": "/v1/chat/completions"}, "missing-body"),
        ({"custom_id": "", "body": {"messages": HELLO}}, "bad-id"),
        ({"custom_id": "a", "body": {"messages": []}}, "empty-messages"),
        ({"custom_id": "a", "body": 5}, "bad-type"),
        ({"recordId": "a", "modelInput": {"texts": ["x"]}}, "unknown-form"),
        ({"something": 1}, "unknown-form"),
        ([1], "not-an-object"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(line: Any, code: str) -> None:
    """With a reason and a cure; nothing that changes the question is left out in silence."""
    found = refusal_of(line)

    assert found.code == code
    assert found.line == 3
    assert found.reason
    assert found.fix


def test_results_of_tools_keep_their_place() -> None:
    """One message of Anthropic's may become several: results first, as they stand, then the text."""
    content = [
        {"type": "tool_result", "tool_use_id": "t", "content": "1"},
        {"type": "tool_result", "tool_use_id": "u"},
        {"type": "text", "text": "Go on."},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ]
    messages = body_of(claude(messages=[*HELLO, {"role": "user", "content": content}]))["messages"]

    assert [message["role"] for message in messages] == ["user", "tool", "tool", "user"]
    assert messages[1]["content"] == "1"
    assert messages[3]["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "a", "url": "/v1/messages", "body": {"system": "Be brief.", "messages": HELLO}},
        {"id": "a", "system": [{"type": "text", "text": "Be brief."}], "messages": HELLO},
        {"id": "a", "system": "Be brief.", "stop_sequences": ["x"], "messages": HELLO},
    ],
)
def test_bodies_of_anthropic_are_known_in_other_frames(line: Any) -> None:
    """By what their form alone has: the system prompt is never lost."""
    made = convert(line)

    assert made.form == "anthropic"
    assert json.loads(made.raw)["body"]["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_tool_of_anthropic_keeps_its_schema_in_a_bare_line() -> None:
    """It would be a function without parameters otherwise."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    line = {"id": "a", "messages": HELLO, "tools": [{"name": "f", "input_schema": schema}]}

    assert body_of(line)["tools"][0]["function"]["parameters"] == schema


def test_text_before_a_result_stays_before_it() -> None:
    """Nothing changes its place in the conversation."""
    content = [
        {"type": "text", "text": "First."},
        {"type": "tool_result", "tool_use_id": "t", "content": "1"},
        {"type": "text", "text": "Last."},
    ]
    messages = body_of(claude(messages=[{"role": "user", "content": content}]))["messages"]

    assert [message["content"] for message in messages] == ["First.", "1", "Last."]


def test_calls_of_responses_stand_in_one_message() -> None:
    """Text and calls of one turn are one message of the assistant in chat completions."""
    items = [
        {"role": "user", "content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
    ]
    messages = body_of({"custom_id": "a", "url": "/v1/responses", "body": {"input": items}})["messages"]

    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["content"] == "I look."
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["a", "b"]


def test_calls_of_gemini_get_ids_that_their_responses_take() -> None:
    """Calls of the same name are answered in order."""
    call, answer = (
        {"functionCall": {"name": "f", "args": {}}},
        {"functionResponse": {"name": "f", "response": {}}},
    )
    contents = [{"role": "model", "parts": [call, call]}, {"role": "user", "parts": [answer, answer]}]
    messages = body_of(gemini(contents=contents))["messages"]

    assert [call["id"] for call in messages[0]["tool_calls"]] == ["call-1", "call-2"]
    assert [message["tool_call_id"] for message in messages[1:]] == ["call-1", "call-2"]


def test_both_cases_of_geminis_names_are_read() -> None:
    """As Google's parser reads them."""
    snake = gemini(system_instruction={"parts": [{"text": "s"}]}, generation_config={"max_output_tokens": 3})
    other = gemini(systemInstruction={"parts": [{"text": "s"}]}, generationConfig={"maxOutputTokens": 3})

    assert body_of(snake) == body_of(other)
    assert [camel(name) for name in ("any_of", "min_items", "minItems", "ref")] == [
        *("anyOf", "minItems", "minItems", "$ref")
    ]


def test_a_schema_of_gemini_becomes_json_schema() -> None:
    """Types in lower case, nullable as a type, the order of the properties, counts as numbers."""
    schema = {
        "type": "OBJECT",
        "propertyOrdering": ["b", "a"],
        "properties": {
            "a": {"type": "STRING", "nullable": True, "enum": ["x"], "format": "enum"},
            "b": {"type": "ARRAY", "minItems": "1", "items": {"anyOf": [{"type": "INTEGER"}]}},
            "c": {"type": "OBJECT"},
            "d": {"type": "TYPE_UNSPECIFIED", "description": "any"},
        },
    }
    made = json_schema_of(schema, "schema", Changes())

    assert list(made["properties"]) == ["b", "a", "c", "d"]
    assert made["properties"]["a"] == {"type": ["string", "null"], "enum": ["x", None]}
    assert made["properties"]["b"] == {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": "integer"}]},
    }
    assert made["properties"]["d"] == {"description": "any"}
    assert made["properties"]["c"] == {"type": "object", "additionalProperties": True}


@pytest.mark.parametrize(
    ("tokens", "effort"), [(0, "none"), (1, "low"), (4_096, "low"), (10_000, "medium"), (32_000, "high")]
)
def test_a_budget_becomes_an_effort(tokens: int, effort: str) -> None:
    """By a rule of thumb, which is reported as a translation."""
    assert effort_of_budget(tokens) == effort


def test_an_effort_between_two_is_the_higher() -> None:
    """So that a request is not answered with less thought than was asked for."""
    assert nearest_effort("minimal", ("none", "low")) == "low"
    assert nearest_effort("minimal", ()) is None
    assert nearest_effort("minimal", None) == "low"


def test_numbers_of_any_length_stay_exact() -> None:
    """In arguments of calls and in schemas: they are never read as floats."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 12345678901234567890123}}
    messages = [*HELLO, {"role": "assistant", "content": [use]}]

    assert (
        "12345678901234567890123"
        in body_of(claude(messages=messages))["messages"][1]["tool_calls"][0]["function"]["arguments"]
    )


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "text", "user", "none", "function"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "role", "content", "parts", "text", "name", "function", "source", "data"]),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values within a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for step, inner in steps for found in ((*path, step), *places(inner, (*path, step)))]


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a value with another one at a path."""
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    inner = copied[path[0]] if isinstance(copied, list) else copied.get(path[0])
    copied[path[0]] = with_value(inner, path[1:], new)
    return copied


LEFT_OUT = ("thinking", "redacted_thinking", "reasoning")  # as a whole, which is reported: earlier reasoning
CHOICE = ("tool_choice", "toolChoice")  # of a tool: it has nothing beside its kind and names


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(next(iter(sample.values())))[:20])
def test_no_field_is_lost_in_silence(sample: Any) -> None:
    """A field that no service has, in any object of a sample: it is sent, kept, reported, or refused."""
    for path in [(), *places(sample)]:
        inner = at(sample, path)
        if not isinstance(inner, dict) or set(CHOICE) & set(path) or inner.get("type") in LEFT_OUT:
            continue
        if path[-1:] == ("format",) and inner.get("type") == "text":
            continue
        line = with_value(sample, (*path, "zzMarker"), "zz") if path else {**sample, "zzMarker": "zz"}
        made = convert_line(json.dumps(line).encode(), 1, "grok-4.3")
        if isinstance(made, ConvertedLine) and b"zzMarker" not in made.raw:
            dropped = {change.field.rpartition(".")[2] for change in made.changes if change.kind == "dropped"}
            steps = {name for step in path for name in (str(step), camel(str(step)))}
            assert "zzMarker" in dropped or dropped & steps, path


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for step in path:
        value = value[step]
    return value


@given(st.data())
@settings(max_examples=400)
def test_no_line_ends_in_an_error(data: st.DataObject) -> None:
    """A sample with odd values in it is converted to a job line that passes, or refused with a sentence."""
    line = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        line = (
            with_value(line, data.draw(st.sampled_from(places(line))), data.draw(_ODD))
            if places(line)
            else line
        )
    made = convert_line(json.dumps(line).encode(), 1, data.draw(st.sampled_from([None, "grok-4.3"])))

    if isinstance(made, ConvertedLine):
        assert read_request(made.raw, 1, Defaults(model="grok-4.3"))[0] is not None
    else:
        assert all(one.reason and one.fix and one.code for one in made)


@given(st.binary(max_size=40) | _ODD.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_end_in_an_error(raw: bytes) -> None:
    """Also what is no object or no JSON."""
    made = convert_line(raw, 1, None)

    assert isinstance(made, ConvertedLine) or made
