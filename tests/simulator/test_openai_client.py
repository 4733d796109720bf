"""The `openai` client against the simulator: only its base_url differs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from simulator_thread import KEY, TIMEOUT_S, SimulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.chat import (
        ChatCompletionFunctionToolParam,
        ChatCompletionStreamOptionsParam,
        ChatCompletionUserMessageParam,
    )

MODEL = "grok-4.3"
CITY: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": CITY},
}
WITH_USAGE: ChatCompletionStreamOptionsParam = {"include_usage": True}


def messages_of(text: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


class Review(BaseModel):
    sentiment: Literal["positive", "negative"]
    rating: int


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread() as started:
        yield started


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[OpenAI]:
    with OpenAI(base_url=simulator.server.url, api_key=KEY, max_retries=0, timeout=TIMEOUT_S) as made:
        yield made


def test_a_chat_completion(simulator: SimulatorThread, client: OpenAI) -> None:
    """The client parses text and usage; the books count it as accepted and fetched."""
    made = client.chat.completions.create(model=MODEL, messages=messages_of("How are you?"), user="j-1")

    assert made.choices[0].message.content
    assert made.choices[0].finish_reason == "stop"
    assert (made.object, made.model) == ("chat.completion", MODEL)
    assert made.usage is not None
    usage = made.usage.to_dict()
    books = simulator.books(jobs=True)
    assert books["accepted"] == books["fetched"] == 1
    assert books["ticks_fetched"] == usage["cost_in_usd_ticks"] == books["jobs"][0]["ticks"]
    assert books["tokens"]["total"] == made.usage.total_tokens


def test_a_stream_has_the_same_text_as_a_completion(simulator: SimulatorThread, client: OpenAI) -> None:
    """The joined chunks are the text; with include_usage a last chunk without choices has the usage."""
    whole = client.chat.completions.create(model=MODEL, messages=messages_of("Tell of nine."), seed=1)
    with client.chat.completions.create(
        model=MODEL, messages=messages_of("Tell of nine."), stream=True, stream_options=WITH_USAGE
    ) as stream:
        chunks = list(stream)
    with client.chat.completions.create(model=MODEL, messages=messages_of("x"), stream=True) as stream:
        without_usage = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(chunks) > 4
    assert "Tell of nine." in text
    assert "Tell of nine." in (whole.choices[0].message.content or "")
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:-1]] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in without_usage)
    assert simulator.books()["fetched"] == 3


def test_tools_are_called_in_completions_and_streams(client: OpenAI) -> None:
    """The call has the name and arguments that fit the tool's schema."""
    made = client.chat.completions.create(model=MODEL, messages=messages_of("Rain?"), tools=[WEATHER])
    calls = made.choices[0].message.tool_calls or []
    with client.chat.completions.create(
        model=MODEL, messages=messages_of("Rain?"), tools=[WEATHER], stream=True
    ) as stream:
        streamed = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]

    assert made.choices[0].finish_reason == "tool_calls"
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert "city" in json.loads(calls[0].function.arguments)
    assert [call.function.name for call in streamed if call.function] == ["weather"]


def test_structured_outputs_are_parsed(client: OpenAI) -> None:
    """The client sends the schema of a class and parses the answer to an object of it."""
    made = client.chat.completions.parse(
        model=MODEL, messages=messages_of("I love it, great!"), response_format=Review
    )

    review = made.choices[0].message.parsed
    assert review is not None
    assert review.sentiment == "positive"


def test_models_are_listed(client: OpenAI) -> None:
    """A model can be looked up by an alias, too."""
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve("grok-4.3-latest").id == MODEL


@pytest.mark.parametrize(
    ("switches", "model", "text", "error", "message"),
    [
        ({}, "grok-99", "x", openai.NotFoundError, "does not exist"),
        ({"key_revoked": True}, MODEL, "x", openai.BadRequestError, "Incorrect API key"),
        ({"credits_gone": True}, MODEL, "x", openai.PermissionDeniedError, "used all available credits"),
        ({"permission_gone": True}, MODEL, "x", openai.PermissionDeniedError, "not authorized"),
        ({}, MODEL, "[simulate:safety]", openai.PermissionDeniedError, "SAFETY_CHECK_TYPE"),
        ({"faults": {"capacity": 1}}, MODEL, "x", openai.RateLimitError, "at capacity"),
        ({"faults": {"429": 1}}, MODEL, "x", openai.RateLimitError, "Too many requests"),
        ({"faults": {"520": 1}}, MODEL, "x", openai.InternalServerError, "unknown error"),
        ({"faults": {"reset_before": 1}}, MODEL, "x", openai.APIConnectionError, ""),
        ({"down": True}, MODEL, "x", openai.InternalServerError, "unavailable"),
    ],
)
def test_refusals_raise_the_errors_of_the_client(
    simulator: SimulatorThread,
    client: OpenAI,
    switches: dict[str, object],
    model: str,
    text: str,
    error: type[openai.APIError],
    message: str,
) -> None:
    """Each refusal has the API's message, and nothing is accepted."""
    simulator.switch(**switches)

    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=messages_of(text))

    assert message in str(caught.value.body)
    assert simulator.books()["accepted"] == 0
