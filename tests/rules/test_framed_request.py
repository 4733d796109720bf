"""Requests of a frame: those of whole job lines, without reading the shared part again."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules import models
from runner.rules.requests.framed_request import FramedRequests
from runner.rules.requests.request import Defaults, read_request
from runner.rules.requests.request_frame import Example, Frame, request_frame, row_content
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits

SCHEMA = (
    b'{"type":"object","properties":{"mood":{"type":"string"}},"required":["mood"],'
    b'"additionalProperties":false}'
)
EXAMPLE = Example(b'"so good"', '{"mood":"good"}')
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def framed(
    model: str = "grok-4.3", limits: GivenLimits = NOT_GIVEN, **body: Any
) -> tuple[Frame, FramedRequests]:
    frame = request_frame(model, "You label reviews.", [EXAMPLE], SCHEMA, body)
    return frame, FramedRequests(frame, Defaults(model=model, limits=limits))


@given(
    texts,
    st.one_of(st.none(), st.sampled_from(["https://a.test/1.png", "ftp://a.test", "data:image/png;base64,"])),
    st.sampled_from(["grok-4.3", "grok-4-0709", "a-model-of-tomorrow"]),
    st.sampled_from([NOT_GIVEN, GivenLimits(tpm=400), GivenLimits(team_tpm=100_000)]),
    st.sampled_from([{}, {"max_completion_tokens": 20}, {"service_tier": "priority", "seed": 1}]),
)
def test_a_request_is_that_of_its_job_line(
    text: str, image: str | None, model: str, limits: GivenLimits, body: dict[str, Any]
) -> None:
    """Every field is equal; the body is the row's own part, and its own problems are those of the line."""
    frame, requests = framed(model, limits, **body)
    content = row_content(text, image)

    found, own = requests.request("row-7", content, 7)
    expected, diagnostics = read_request(
        frame.line("row-7", content), 7, Defaults(model=model, limits=limits)
    )

    if expected is None:
        assert found is None
        assert own
    else:
        assert found is not None
        assert msgspec.structs.replace(found, body=frame.body(found.body)) == expected
    shared = {(one.code, one.reason) for one in requests.diagnostics}
    assert {(one.code, one.reason) for one in diagnostics} <= shared | {(one.code, one.reason) for one in own}


def test_the_warnings_of_the_frame_are_given_once() -> None:
    """A model that is unknown is one warning, not one for each row."""
    _, requests = framed("a-model-of-tomorrow")

    assert [one.code for one in requests.diagnostics] == ["unknown-model"]
    assert requests.request("row-1", b'"hello"', 1)[1] == []


def test_a_frame_that_is_refused_makes_no_request() -> None:
    """A field that no request may have is found before a row is read."""
    _, requests = framed(stream=True)

    assert requests.diagnostics[0].severity == "refused"
    assert requests.request("row-1", b'"hello"', 1)[0] is None


@pytest.mark.parametrize(("factor", "code"), [(1.1, "prompt-near-context"), (1.5, "prompt-above-context")])
def test_a_row_that_is_too_long_is_found_by_itself(factor: float, code: str) -> None:
    """A row above the context window is refused, one near it warned of."""
    facts = models.facts("grok-4.3")
    assert facts is not None
    _, requests = framed(limits=GivenLimits(team_tpm=0))

    found, own = requests.request("row-3", orjson.dumps("abcd" * int(facts.context_tokens * factor)), 3)

    assert [one.code for one in own] == [code]
    assert (found is None) == (code == "prompt-above-context")


def test_the_content_of_a_row_takes_no_more_memory_than_its_text() -> None:
    """Thousands of rows wait for a transaction; the encoder's own result has room for nine times the text."""
    texts = [f"{number:06} " * 400 for number in range(100)]
    row_content(texts[0], None)

    tracemalloc.start()
    contents = [row_content(text, None) for text in texts]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert taken < 1.2 * sum(map(len, contents))
