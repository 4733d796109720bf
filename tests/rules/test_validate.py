"""Every refusal and warning of a job line, each with its code, place, reason and fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.requests.messages import check_messages
from runner.rules.requests.request import Defaults, Request, read_request
from runner.rules.requests.validate import validate
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits

if TYPE_CHECKING:
    from runner.rules.diagnostics import Diagnostic, Problem

GROK_4_3 = Defaults(model="grok-4.3")
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def read(line: object, defaults: Defaults = GROK_4_3) -> tuple[Request | None, list[Diagnostic]]:
    raw = line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode()
    return read_request(raw, 7, defaults)


def batch(**fields: object) -> dict[str, Any]:
    """Return a batch line with a valid body and these `fields` in it."""
    return {"custom_id": "r-1", "body": {"messages": [USER], **fields}}


def schema_format(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}


def tool(**function: object) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], **function}}  # type: ignore[dict-item]


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

REFUSED: list[tuple[Any, str, str, str, str]] = [
    # the line, its code, the text the column points at, words of the reason, words of the fix
    ({"id": "a"}, "missing-messages", '{"id"', "neither prompt nor messages", '"prompt"'),
    ({"body": {"model": "grok-4.3"}}, "missing-messages", '{"model"', "messages is missing", '"messages"'),
    (batch(messages=[]), "empty-messages", "[]", "messages is empty", "at least one message"),
    (batch(messages="hi"), "bad-type", '"hi"', "messages must be a list", "role"),
    (batch(messages=["hi"]), "bad-type", '"hi"', "a message must be an object", "role"),
    (batch(messages=[{"content": "hi"}]), "unknown-role", '{"content"', "no role", "role"),
    (
        batch(messages=[USER, {"role": "usr", "content": ""}]),
        "unknown-role",
        '"usr"',
        '"usr" does not exist',
        '"user"',
    ),
    (
        batch(messages=[{"role": [], "content": ""}]),
        "unknown-role",
        '[], "',
        "[] does not exist",
        "assistant",
    ),
    (
        batch(messages=[{"role": "System ", "content": ""}]),
        "unknown-role",
        '"System "',
        "does not exist",
        '"system"',
    ),
    (batch(messages=[{"role": "user"}]), "missing-content", '{"role"', "no content", "content"),
    (
        batch(messages=[{"role": "assistant", "content": None}]),
        "missing-content",
        "null",
        "no content",
        "content",
    ),
    (
        batch(messages=[{"role": "user", "content": []}]),
        "missing-content",
        "[]",
        "empty list",
        "list of parts",
    ),
    (batch(messages=[{"role": "user", "content": 5}]), "bad-type", "5", "must be text or a list", "parts"),
    (batch(messages=[{"role": "user", "content": ["x"]}]), "bad-type", '"x"', "content part", "image_url"),
    (
        batch(messages=[{"role": "user", "content": [{"type": "text"}]}]),
        "bad-type",
        '{"type"',
        "its value",
        "text",
    ),
    (
        batch(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": "http://x"}]}]),
        "bad-type",
        '"http://x"',
        "image_url must be an object",
        "url",
    ),
    (
        batch(
            messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "cat.png"}}]}]
        ),
        "bad-image-url",
        '"cat.png"',
        "no address of an image",
        "not read from disk",
    ),
    (
        batch(
            messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]
        ),
        "bad-image-url",
        '"data:,x"',
        "data:image/...;base64",
        "base64",
    ),
    (
        {"prompt": "a", "messages": [USER]},
        "prompt-and-messages",
        '"a"',
        "both prompt and messages",
        "keep one",
    ),
    ({"prompt": ["a"]}, "bad-type", '["a"]', "prompt must be a string", "messages"),
    ({"prompt": ""}, "empty-prompt", '""', "prompt is empty", "remove the line"),
    ({"system": 1, "prompt": "a"}, "bad-type", "1", "system must be a string", "system"),
    ({"id": "a", "body": []}, "bad-type", "[]", "body must be an object", "body"),
    (
        {"custom_id": "a", "url": "/v1/chat/completions"},
        "missing-body",
        '{"custom_id"',
        "no body",
        "short form",
    ),
    (
        {"url": "/v1/embeddings", "body": {}},
        "wrong-url",
        '"/v1/emb',
        '"/v1/embeddings" is not',
        "asks for no chat completion",
    ),
    ({"url": "/v1/chat", "body": {}}, "wrong-url", '"/v1/chat"', '"/v1/chat" is not', "/v1/chat/compl"),
    (
        {"url": "https://evil.test/v1", "body": {}},
        "host-in-url",
        '"https://',
        "cannot choose where",
        "/v1/chat",
    ),
    (
        {"url": "/chat/completions", "body": {}},
        "wrong-url",
        '"/chat',
        '"/chat/completions" is not',
        "on all lines: runner convert FILE",
    ),
    ({"url": "//evil.test", "body": {}}, "host-in-url", '"//evil', "names a host", "/v1/chat"),
    ({"method": "GET", "body": {}}, "wrong-method", '"GET"', "method must be POST", '"POST"'),
    (
        {"headers": {"a": "b"}, **batch()},
        "headers-in-line",
        '{"a": "b"}',
        "cannot be set by a job",
        "settings",
    ),
    ({"prompt": "a", "api_key": "k"}, "headers-in-line", '"k"', "api_key cannot be set", "settings"),
    (
        {"model": "grok-4.3", **batch()},
        "misplaced-field",
        '"grok-4.3"',
        "stands beside the body",
        "into the body",
    ),
    (
        {"custom_id": 17, **batch()} | {"custom_id": 17},
        "bad-type",
        "17",
        "custom_id must be a string",
        '"17"',
    ),
    ({"id": None, "prompt": "a"}, "bad-type", "null", "id must be a string", "r-1"),
    ({"id": "", "prompt": "a"}, "bad-id", '""', "id is empty", "line-N"),
    ({"id": "a\0b", "prompt": "a"}, "bad-id", '"a\\u0000', "NUL", "remove it"),
    (
        {"id": "a", "model": "grok-4.3\0", "prompt": "a"},
        "bad-model",
        '"grok-4.3\\u0000"',
        "cannot be printed",
        "without it",
    ),
    ({"id": "a", "model": "x" * 201, "prompt": "a"}, "bad-model", '"xxx', "201 characters", "200"),
    ({"id": "x" * 513, "prompt": "a"}, "bad-id", '"xxx', "513 characters", "512"),
    ({"id": "a", "custom_id": "b", "prompt": "c"}, "two-ids", '"a"', "they differ", "keep one"),
    (batch(deferred=False), "deferred-in-body", "false", "not for the job to set", "remove"),
    (batch(deferred=None), "deferred-in-body", "null", "not for the job to set", "remove"),
    (batch(stream=True), "stream", "true", "cannot be streamed", "remove stream"),
    (batch(stream="yes"), "bad-type", '"yes"', "stream must be true or false", "remove"),
    (batch(n=2), "several-choices", "2", "n is 2", "several lines"),
    (batch(n="1"), "bad-type", '"1"', "n must be", "1"),
    (batch(search_parameters={}), "search-parameters", "{}", "removed Live Search", "remove"),
    (batch(tools=[{"type": "live_search"}]), "search-parameters", '{"type"', "removed Live Search", "remove"),
    (batch(presence_penalty=0.5), "penalty-rejected", "0.5", "grok-4.3 rejects presence_penalty", "remove"),
    (batch(frequency_penalty=0), "penalty-rejected", "0", "grok-4.3 rejects frequency_penalty", "remove"),
    (batch(stop=["\n"]), "stop-rejected", '["', "grok-4.3 rejects stop", "remove"),
    (batch(model="grok-4-0709", reasoning_effort="high"), "effort-rejected", '"high"', "rejects", "remove"),
    (
        batch(model="grok-4.5", reasoning_effort="none"),
        "effort-rejected",
        '"none"',
        '"none"',
        "low, medium, high",
    ),
    (batch(reasoning_effort=3), "bad-type", "3", "reasoning_effort must be a string", "a string"),
    (batch(tools=[TOOL] * 351), "too-many-tools", '[{"type"', "351 tools; the API takes 350", "fewer"),
    (batch(tools={}), "bad-type", "{}", "tools must be a list", "a list"),
    (batch(tools=[1]), "bad-tool", "1", "must be an object with a type", "function"),
    (batch(tools=[{"type": "function"}]), "bad-tool", '{"type"', "must have a name", "function"),
    (batch(tools=[tool(parameters=None)]), "bad-schema", "null", "no parameters schema", "object"),
    (
        batch(tools=[tool(parameters={"type": "objekt"})]),
        "bad-schema",
        '{"type": "objekt"',
        "objekt",
        "correct",
    ),
    (batch(tool_choice="always"), "bad-type", '"always"', "none, auto, required", "function"),
    (batch(response_format={"type": "yaml"}), "bad-type", '{"type"', "must have the type", "json_schema"),
    (
        batch(response_format=schema_format({"type": 5})),
        "bad-schema",
        '{"type": 5}',
        "no JSON schema: type",
        "correct",
    ),
    (
        batch(response_format=schema_format("x")),
        "bad-schema",
        '"x"',
        "no json_schema.schema object",
        "schema",
    ),
    (
        batch(response_format=schema_format({"properties": {"a": True}})),
        "schema-rejected",
        "true",
        'the property "a" is true',
        "its type",
    ),
    (
        batch(tools=[tool(parameters={"properties": {"a": {"enum": []}}})]),
        "schema-rejected",
        "[]",
        "enum is empty",
        "give enum a value",
    ),
    (batch(response_format={"type": "json_schema"}), "bad-schema", '{"type"', "json_schema.schema", "schema"),
    (batch(temperature="hot"), "bad-type", '"hot"', "a number from 0 to 2", "a number"),
    (batch(temperature=True), "bad-type", "true", "a number from 0 to 2", "a number"),
    (batch(temperature=2.5), "bad-value", "2.5", "a number from 0 to 2", "a number"),
    (batch(top_p=-0.1), "bad-value", "-0.1", "a number from 0 to 1", "a number"),
    (batch(max_completion_tokens=0), "bad-value", "0", "a whole number from 1", "whole"),
    (batch(max_completion_tokens=1.5), "bad-type", "1.5", "a whole number from 1", "whole"),
    (batch(top_logprobs=9), "bad-value", "9", "from 0 to 8", "whole"),
    (batch(seed="1"), "bad-type", '"1"', "seed must be a whole number", "whole"),
    (batch(model="grok-4.20-non-reasoning", stop=["a"] * 5), "bad-value", '["a"', "stop has 5", "at most 4"),
    (batch(model="grok-4.20-non-reasoning", stop="a"), "bad-type", '"a"', "a list of strings", "list"),
    (batch(service_tier=1), "bad-type", "1", "service_tier must be a string", "string"),
    (batch(model=""), "bad-type", '""', "model must be a name", "grok-4"),
    (batch(model=None), "bad-type", "null", "model must be a name", "leave it out"),
    (
        batch(messages=[{**USER, "content": "long " * 1_200_000}]),
        "prompt-above-context",
        "[{",
        "1,000,000",
        "shorten",
    ),
]


@pytest.mark.parametrize(("line", "code", "pointed_at", "reason", "fix"), REFUSED)
def test_a_refused_line_names_its_fault(
    line: object, code: str, pointed_at: str, reason: str, fix: str
) -> None:
    """A refused line gives no request; its diagnostic has line, column, code, reason and fix."""
    raw = json.dumps(line, ensure_ascii=False)
    request, diagnostics = read(line, Defaults(model="grok-4.3", limits=GivenLimits(team_tpm=0)))
    refusals = [found for found in diagnostics if found.severity == "refused"]

    assert request is None
    assert code in {found.code for found in refusals}
    found = next(found for found in refusals if found.code == code)
    assert found.line == 7
    assert found.column is not None
    assert raw[found.column - 1 :].startswith(pointed_at)
    assert reason in found.reason
    assert fix in found.fix


@pytest.mark.parametrize(("data_bytes", "codes"), [(27_962_024, []), (27_962_028, ["image-too-large"])])
def test_an_image_is_at_most_20_mib(data_bytes: int, codes: list[str]) -> None:
    """The bytes in base64 count as the three quarters that they stand for; the image is not decoded."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * data_bytes}}
    problems: list[Problem] = []
    check_messages([{"role": "user", "content": [image]}], problems)

    assert [problem.code for problem in problems] == codes
    assert all("20.0 MiB; the API takes 20 MiB" in problem.reason for problem in problems)
    assert all(problem.path == ("messages", 0, "content", 0, "image_url", "url") for problem in problems)


WARNED: list[tuple[Any, str, str, str]] = [
    (batch(temprature=0.5), "unknown-field", '"temprature"', 'did you mean "temperature"?'),
    (
        {"prompt": "a", "max_completion_token": 5},
        "unknown-field",
        "bills",
        'did you mean "max_completion_tokens"?',
    ),
    (batch(top_k=5), "unknown-field", "ignores it silently", "sent as written"),
    (batch(metadata={}), "unknown-field", '"metadata"', "beside custom_id"),
    ({"note": "x", **batch()}, "unknown-field", "it is not sent", "metadata"),
    (batch(model="grok-4"), "retired-model", "grok-4 (grok-4-0709) was retired on 2026-05-15", '"grok-4.3"'),
    (batch(model="grok-code-fast-1"), "retired-model", "grok-build-0.1 answers", '"grok-build-0.1"'),
    (batch(model="grok-4.6-latest"), "unknown-model", "not in the catalogue", 'did you mean "grok-4.6"?'),
    (batch(model="grok4.3"), "unknown-model", "not in the catalogue", 'did you mean "grok-4.3"?'),
    (batch(model="llama"), "unknown-model", "unknown", "sent as written"),
    (batch(max_tokens=5), "deprecated-field", "max_tokens is deprecated", "max_completion_tokens"),
    (batch(logit_bias={}), "ignored-field", "ignores logit_bias", "remove"),
    (batch(logprobs=True), "ignored-field", "grok-4.3 ignores logprobs", "remove"),
    (batch(top_logprobs=2), "ignored-field", "grok-4.3 ignores top_logprobs", "remove"),
    (batch(service_tier="priority"), "priority-price", "doubles the price", "nobody waits"),
    (
        batch(response_format=schema_format({"properties": {"a": {"type": "string", "maxLength": 9_999}}})),
        "schema-differs",
        "maxLength up to 2,048 only",
        "check the answers",
    ),
    (
        batch(tools=[tool(parameters={"properties": {"a": {"oneOf": [{}, {"type": "null"}]}}})]),
        "schema-differs",
        "reads oneOf as anyOf",
        "anyOf",
    ),
    ({"prompt": " \n"}, "blank-content", "white space only", "was empty"),
    (batch(messages=[{"role": "system", "content": ""}, USER]), "blank-content", "is empty", "was empty"),
    (batch(messages=[{**USER, "content": "long " * 900_000}]), "prompt-near-context", "1,000,000", "shorten"),
]


@pytest.mark.parametrize(("line", "code", "reason", "fix"), WARNED)
def test_a_warned_line_is_loaded_all_the_same(line: object, code: str, reason: str, fix: str) -> None:
    """A warning is about what the API will do with the line; the request does not change."""
    request, (found,) = read(line)

    assert request is not None
    assert (found.line, found.code, found.severity) == (7, code, "warning")
    assert reason in found.reason
    assert fix in found.fix


CLEAN: list[dict[str, object]] = [
    {"temperature": 0, "top_p": 1.0, "seed": -3, "user": "u", "prompt_cache_key": "k"},
    {"logprobs": False},
    {"model": "grok-build-0.1", "logprobs": True, "top_logprobs": 8},
    {"stream": False, "n": 1, "parallel_tool_calls": False, "max_completion_tokens": 1, "guidelines": {}},
    {
        "stream": None,
        "n": None,
        "stop": None,
        "presence_penalty": None,
        "search_parameters": None,
        "tools": None,
    },
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"tools": [TOOL] * 350, "tool_choice": "required"},
    {"reasoning_effort": "none"},
    {"response_format": {"type": "json_object"}},
    {
        "response_format": schema_format(
            {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
        )
    },
    {"response_format": schema_format({"type": "string", "pattern": "^\\p{L}+$"})},
    {"model": "grok-4.20-non-reasoning", "stop": ["a", "b"]},
    {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}]},
    {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "tool", "content": "x", "tool_call_id": "c"},
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE, FILE]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"file_id": "f"}}]}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a"}}]}
        ]
    },
]


@pytest.mark.parametrize("fields", CLEAN)
def test_what_the_api_documents_has_no_diagnostic(fields: dict[str, object]) -> None:
    """It is neither refused nor warned of: `null` counts as absent, bounds are inclusive."""
    request, diagnostics = read(batch(**fields))

    assert diagnostics == []
    assert request is not None


def test_every_fault_of_a_line_is_found_in_one_pass() -> None:
    """The user can then correct all of them."""
    _, diagnostics = read(batch(stream=True, n=3, temperature=9, messages=[{"role": "bot", "content": "x"}]))

    assert {found.code for found in diagnostics} == {
        "stream",
        "several-choices",
        "bad-value",
        "unknown-role",
    }


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (NOT_GIVEN, False),
        (GivenLimits(team_tpm=249_000), True),
        (GivenLimits(team_tpm=260_000), False),
        (GivenLimits(team_tpm=0), False),
        (GivenLimits(tpm=100), True),
        (GivenLimits(tpm=260_000, team_tpm=249_000), True),
    ],
)
def test_a_prompt_above_the_tokens_a_minute_is_refused(limits: GivenLimits, refused: bool) -> None:
    """It could never be sent. The team's limit stands in place of that of the model that answers."""
    line = batch(model="grok-4-0709", messages=[{**USER, "content": "x" * 1_000_000}])
    request, diagnostics = read(line, Defaults(model="grok-4.3", limits=limits))

    assert (request is None) == refused
    assert ("prompt-above-tpm" in {found.code for found in diagnostics}) == refused


def test_a_shared_fault_is_reported_for_each_of_its_lines() -> None:
    """Settings are checked once for all lines that share them, but each line has its diagnostic."""
    raw = json.dumps(batch(temprature=1)).encode()

    lines = [read_request(raw, number, GROK_4_3)[1][0].line for number in (1, 2, 900)]
    assert lines == [1, 2, 900]


def test_a_refusal_in_a_short_line_points_into_that_line() -> None:
    """Problems of messages built from prompt and system point to those fields."""
    raw = b'{"system":"s","messages":[{"role":"user","content":"x"},{"role":"bot","content":"x"}]}'
    _, (found,) = read(raw)

    assert found.column == raw.index(b'"bot"') + 1


WORDS = st.sampled_from(
    [
        "custom_id",
        "id",
        "method",
        "url",
        "body",
        "metadata",
        "prompt",
        "system",
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "tools",
        "function",
        "name",
        "parameters",
        "response_format",
        "json_schema",
        "schema",
        "stop",
        "n",
        "stream",
        "tool_choice",
        "temperature",
        "reasoning_effort",
        "tool_calls",
        "zzz",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(WORDS, JSON, max_size=5) | st.dictionaries(WORDS, JSON).map(lambda body: batch(**body))
)
def test_any_object_is_validated_without_raising(line: dict[str, object]) -> None:
    """The result is either a request or at least one refusal."""
    request, diagnostics = read(line)

    assert (request is None) == any(found.severity == "refused" for found in diagnostics)
    assert all(found.reason and found.fix and found.line == 7 for found in diagnostics)


@pytest.mark.parametrize("count", [1, 2])
def test_a_large_shared_part_is_checked_on_every_line(count: int) -> None:
    """It is too large to be remembered; its problems and tokens are the same each time."""
    system = {"role": "system", "content": "a" * 200_000}
    body = {"model": "grok-4.3", "messages": [system] * count, "temprature": 1}
    first, again = validate(body, NOT_GIVEN), validate(body, NOT_GIVEN)

    assert first == again
    assert [problem.code for problem in first.problems] == ["unknown-field"]
    assert count * 50_000 <= first.prompt_tokens <= count * 50_000 + 1_000
