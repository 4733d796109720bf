"""The `openai` package against the simulator, with only its base_url changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from simulator_thread import KEY, SimulatorThread

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


def asking(text: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


class Review(BaseModel):
    sentiment: Literal["positive", "negative"]
    rating: int


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread() as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[OpenAI]:
    with OpenAI(base_url=simulator.running.url, api_key=KEY, max_retries=0, timeout=20) as made:
        yield made


def test_a_chat_completion(simulator: SimulatorThread, client: OpenAI) -> None:
    """Text and usage in the client's own types; the books say that it was accepted and handed out."""
    made = client.chat.completions.create(model=MODEL, messages=asking("How are you?"), user="j-1")

    assert made.choices[0].message.content
    assert made.choices[0].finish_reason == "stop"
    assert (made.object, made.model) == ("chat.completion", MODEL)
    assert made.usage is not None
    told = made.usage.to_dict()
    books = simulator.books(jobs=True)
    assert books["accepted"] == books["fetched"] == 1
    assert books["ticks_fetched"] == told["cost_in_usd_ticks"] == books["jobs"][0]["ticks"]
    assert books["tokens"]["total"] == made.usage.total_tokens


def test_a_stream_has_the_same_words_as_the_whole(simulator: SimulatorThread, client: OpenAI) -> None:
    """Joined, the pieces are the text; the usage comes when asked for, in a last piece without choices."""
    whole = client.chat.completions.create(model=MODEL, messages=asking("Tell of nine."), seed=1)
    with client.chat.completions.create(
        model=MODEL, messages=asking("Tell of nine."), stream=True, stream_options=WITH_USAGE
    ) as stream:
        pieces = list(stream)
    with client.chat.completions.create(model=MODEL, messages=asking("x"), stream=True) as stream:
        bare = list(stream)

    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert len(pieces) > 4
    assert "Tell of nine." in text
    assert "Tell of nine." in (whole.choices[0].message.content or "")
    assert [piece.choices[0].finish_reason for piece in pieces[-2:-1]] == ["stop"]
    assert pieces[-1].choices == []
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.total_tokens > 0
    assert all(piece.usage is None for piece in bare)
    assert simulator.books()["fetched"] == 3


def test_tools_are_called_whole_and_in_a_stream(client: OpenAI) -> None:
    """Name and arguments, which fit the tool's schema."""
    made = client.chat.completions.create(model=MODEL, messages=asking("Rain?"), tools=[WEATHER])
    calls = made.choices[0].message.tool_calls or []
    with client.chat.completions.create(
        model=MODEL, messages=asking("Rain?"), tools=[WEATHER], stream=True
    ) as stream:
        streamed = [call for piece in stream for call in piece.choices[0].delta.tool_calls or ()]

    assert made.choices[0].finish_reason == "tool_calls"
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert "city" in json.loads(calls[0].function.arguments)
    assert [call.function.name for call in streamed if call.function] == ["weather"]


def test_structured_outputs_are_parsed(client: OpenAI) -> None:
    """The client sends the schema of a class and gets an object of it."""
    made = client.chat.completions.parse(
        model=MODEL, messages=asking("I love it, great!"), response_format=Review
    )

    review = made.choices[0].message.parsed
    assert review is not None
    assert review.sentiment == "positive"


def test_models_are_listed(client: OpenAI) -> None:
    """And one is looked up by an alias."""
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve("grok-4.3-latest").id == MODEL


@pytest.mark.parametrize(
    ("switches", "model", "text", "error", "says"),
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
def test_refusals_are_the_clients_own_errors(
    simulator: SimulatorThread,
    client: OpenAI,
    switches: dict[str, object],
    model: str,
    text: str,
    error: type[openai.APIError],
    says: str,
) -> None:
    """Each with the API's words; nothing is accepted."""
    simulator.switch(**switches)

    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=asking(text))

    assert says in str(caught.value.body)
    assert simulator.books()["accepted"] == 0
