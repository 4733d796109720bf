"""From a line to a request: what is sent is what was written, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.requests.request import (
    Defaults,
    Request,
    read_request,
    splice_deferred,
    validate_with_model,
)
from runner.rules.sending.rate_limits import NOT_GIVEN

DEFAULTS = Defaults(model="grok-4.3")
USER = '{"role": "user", "content": "hi"}'


def request_of(raw: str | bytes, line: int = 1, defaults: Defaults = DEFAULTS) -> Request:
    request, diagnostics = read_request(raw.encode() if isinstance(raw, str) else raw, line, defaults)
    assert request is not None, diagnostics
    return request


def test_a_batch_body_is_kept_as_it_was_written() -> None:
    """Spaces, escapes, number formats and order inside the body do not change."""
    body = '{ "temperature":1.50,"model" : "grok-4\\u002e3",  "messages": [ ' + USER + "]\t}"

    assert (
        body.encode()
        == request_of('{"custom_id": "r-1", "body": ' + body + ' , "metadata": {"a": 1.0}}').body
    )


def test_a_batch_body_without_a_model_gets_the_default_and_nothing_else() -> None:
    """Only the model is inserted, at the front."""
    request = request_of('{"custom_id": "r-1", "body": { "messages": [' + USER + '], "seed": 1 }}')

    assert request.body == b'{"model":"grok-4.3", "messages": [' + USER.encode() + b'], "seed": 1 }'
    assert request.model == "grok-4.3"


SHORT_FORMS = [
    ('{"prompt": "h\\u0069"}', '"messages":[{"role":"user","content":"h\\u0069"}]}'),
    (
        '{"system": "s\\n", "prompt": "hi"}',
        '"messages":[{"role":"system","content":"s\\n"},{"role":"user","content":"hi"}]}',
    ),
    ('{"messages": [' + USER + "]}", '"messages":[' + USER + "]}"),
    (
        '{"messages": [ ' + USER + '], "system": "s"}',
        '"messages":[{"role":"system","content":"s"}, ' + USER + "]}",
    ),
    (
        '{"top_p": 1.0, "id": "a", "prompt": "hi", "metadata": {}, "seed": 7, "custom_id": "a"}',
        '"messages":[{"role":"user","content":"hi"}],"top_p":1.0,"seed":7}',
    ),
]


@pytest.mark.parametrize(("line", "rest"), SHORT_FORMS)
def test_the_short_form_becomes_a_body_of_its_own_spans(line: str, rest: str) -> None:
    """Model and messages come first, then the other fields as written, in their order."""
    assert request_of(line).body == b'{"model":"grok-4.3",' + rest.encode()


def test_the_short_form_may_name_its_model() -> None:
    """The line's own model takes precedence over the default."""
    request = request_of('{"prompt": "hi", "model": "grok-4.5"}')

    assert request.model == "grok-4.5"
    assert json.loads(request.body)["model"] == "grok-4.5"


NUMBERS = st.sampled_from(["0.50", "1.000000000000000001", "2", "0", "2e-1", "0.1E1"])
TEXTS = st.lists(
    st.sampled_from(["a", ":", '\\"', "\\\\", "\\u00e9", "é", "\\ud83d\\ude00", "🙂", "\\n", "{", "]", " "])
).map("".join)


@given(
    text=TEXTS.filter(bool),
    system=TEXTS.filter(bool) | st.none(),
    temperature=NUMBERS,
    space=st.sampled_from(["", " ", "\t"]),
)
def test_what_is_sent_means_what_was_written(
    text: str, system: str | None, temperature: str, space: str
) -> None:
    """Both forms send the same request, and every value keeps its spelling."""
    lead = f'{{"role":"system","content":{space}"{system}"}},' if system is not None else ""
    messages = f'[{lead}{{"role":"user",{space}"content":"{text}"}}]'
    batch = request_of(f'{{"body":{{"messages":{messages},{space}"temperature":{space}{temperature}}}}}')
    head = f'"system":"{system}",' if system is not None else ""
    short = request_of(f'{{{head}"prompt"{space}:"{text}","temperature":{space}{temperature}}}')

    assert json.loads(batch.body) == json.loads(short.body)
    assert temperature.encode() in batch.body
    assert temperature.encode() in short.body
    assert f'"{text}"'.encode() in short.body
    assert batch.conv_id == short.conv_id
    assert batch.prompt_tokens_estimate == short.prompt_tokens_estimate


def test_deferred_is_spliced_in_front() -> None:
    """The rest of the body does not change."""
    body = request_of('{"prompt": "hi"}').body
    posted = splice_deferred(body)

    assert posted == b'{"deferred":true,' + body[1:]
    assert json.loads(posted) == {"deferred": True, **json.loads(body)}


IDS = [
    ('{"custom_id": "r-1", "prompt": "a"}', "r-1"),
    ('{"id": "r-1", "prompt": "a"}', "r-1"),
    ('{"id": "r-1", "custom_id": "r-1", "prompt": "a"}', "r-1"),
    ('{"id": "gr\\u00f6\\u00dfe 🙂", "prompt": "a"}', "größe 🙂"),
    ('{"prompt": "a"}', "line-412"),
    ('{"body": {"messages": [' + USER + "]}}", "line-412"),
]


@pytest.mark.parametrize(("line", "custom_id"), IDS)
def test_a_job_is_called_by_its_id_else_by_its_line(line: str, custom_id: str) -> None:
    """Without an id the job is named after its line number in the file."""
    assert request_of(line, line=412).custom_id == custom_id


@pytest.mark.parametrize("metadata", ['{"row": 1.50}', '"x"', "[1, 2]", "null", None])
def test_metadata_is_kept_as_written_and_not_sent(metadata: str | None) -> None:
    """Any JSON value is kept for the output."""
    tail = "" if metadata is None else f', "metadata": {metadata}'
    for line in ('{"prompt": "a"' + tail + "}", '{"body": {"messages": [' + USER + "]}" + tail + "}"):
        request = request_of(line)

        assert request.metadata == (None if metadata is None else metadata.encode())
        assert b"metadata" not in request.body


def conv_id(**fields: Any) -> str | None:
    return request_of(json.dumps({"prompt": "hi", **fields})).conv_id


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def test_jobs_that_begin_alike_share_a_conversation_id() -> None:
    """It depends on model, tools, schema and leading system messages, and on nothing else."""
    assert conv_id(system="s") == conv_id(system="s", prompt="other", temperature=0, user="u") is not None
    assert conv_id(system="s", model="grok-4") == conv_id(system="s", model="grok-4-0709")
    different = [
        conv_id(system="s"),
        conv_id(system="t"),
        conv_id(system="s", model="grok-4.5"),
        conv_id(system="s", tools=TOOLS),
        conv_id(tools=TOOLS),
        conv_id(response_format={"type": "json_object"}),
    ]
    assert len(set(different)) == len(different)


def test_a_prompt_with_nothing_in_common_has_no_conversation_id() -> None:
    """There is no shared prefix, so no server is preferred."""
    assert conv_id() is None


def estimate(content: object, **fields: object) -> int:
    line = {"messages": [{"role": "user", "content": content}], **fields}
    return request_of(json.dumps(line)).prompt_tokens_estimate


def test_the_estimate_follows_the_length_of_the_text() -> None:
    """A token is about four characters of English, or one Chinese character."""
    assert estimate("x" * 4000) == pytest.approx(1000, rel=0.02)
    assert estimate("字" * 1000) == pytest.approx(1000, rel=0.02)
    assert estimate("Ж" * 1000) == pytest.approx(667, rel=0.02)


def test_an_image_counts_as_an_image_and_not_as_text() -> None:
    """The length of its data URL does not matter."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}

    assert estimate([{"type": "text", "text": "x" * 400}, image, image]) == pytest.approx(
        2 * 1792 + 100, abs=10
    )


def test_the_estimate_counts_what_the_model_adds_and_reads() -> None:
    """The overhead measured on grok-4, tools, schemas and system messages count as prompt."""
    assert estimate("hi", model="grok-4") == estimate("hi") + 700
    assert estimate("hi", tools=TOOLS) > estimate("hi")
    assert estimate("hi", system="x" * 400) == pytest.approx(estimate("hi") + 104, abs=1)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [({}, None), ({"max_completion_tokens": 9}, 9), ({"max_tokens": 5}, 5)],
)
def test_the_requested_output_length_is_read(fields: dict[str, int], tokens: int | None) -> None:
    """From the new field or the deprecated one; None if the job sets none."""
    assert request_of(json.dumps({"prompt": "hi", **fields})).max_output_tokens == tokens


@pytest.mark.parametrize(
    ("raw", "code"), [(b"{", "cut-line"), (b"{]", "invalid-json"), (b"[]", "not-an-object")]
)
def test_a_line_that_is_no_object_is_one_diagnostic(raw: bytes, code: str) -> None:
    """With the number of the line; nothing else is looked at."""
    request, diagnostics = read_request(raw, 7, DEFAULTS)

    assert request is None
    assert [(found.line, found.code) for found in diagnostics] == [(7, code)]


def test_a_stored_body_that_cannot_be_read_is_refused_for_any_model() -> None:
    """An older version may have stored it."""
    found = validate_with_model(b'{"a":', "grok-4.3", NOT_GIVEN)

    assert found.refused
    assert [problem.code for problem in found.problems] == ["cut-line"]
