"""Request checks: refusals with the statuses and the flat error bodies of the real API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from simulator_thread import CHAT, KEY, SimulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = [{"role": "user", "content": "hello"}]
CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


REFUSED: list[tuple[str, int, dict[str, Any]]] = [
    ("no messages", 422, {"messages": None}),
    ("no model", 422, {"model": None}),
    ("messages of the wrong type", 422, {"messages": "hello"}),
    ("empty messages", 400, {"messages": []}),
    ("a message that is no map", 422, {"messages": ["hello"]}),
    ("an unknown role", 422, {"messages": [{"role": "robot", "content": "x"}]}),
    ("no role", 422, {"messages": [{"content": "x"}]}),
    ("no content", 422, {"messages": [{"role": "user"}]}),
    ("content of the wrong type", 422, {"messages": [{"role": "user", "content": 5}]}),
    ("a part of no known type", 422, {"messages": [{"role": "user", "content": [{"type": "sound"}]}]}),
    ("a text part without text", 422, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("an image without a url", 422, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    ("model of the wrong type", 422, {"model": 4}),
    ("deferred of the wrong type", 422, {"deferred": "yes"}),
    ("a boolean for a number", 422, {"temperature": True}),
    ("temperature out of range", 400, {"temperature": 2.1}),
    ("top_p out of range", 400, {"top_p": -0.1}),
    ("n of zero", 400, {"n": 0}),
    ("no tokens for an answer", 400, {"max_completion_tokens": 0}),
    ("tokens that are no number", 422, {"max_tokens": "many"}),
    ("top_logprobs out of range", 400, {"top_logprobs": 9}),
    ("stream with deferred", 400, {"stream": True}),
    ("an unknown model", 404, {"model": "grok-99"}),
    ("a retired model", 404, {"model": "grok-3"}),
    ("Live Search", 410, {"search_parameters": {"mode": "on"}}),
    ("presence_penalty", 400, {"presence_penalty": 0}),
    ("frequency_penalty", 400, {"frequency_penalty": 0.5}),
    ("stop on a reasoning model", 400, {"stop": ["x"]}),
    ("stop of the wrong type", 422, {"stop": 5}),
    ("stop words of the wrong type", 422, {"model": "grok-4.20-non-reasoning", "stop": [5]}),
    ("five stop words", 400, {"model": "grok-4.20-non-reasoning", "stop": list("abcde")}),
    ("an effort on grok-4", 400, {"reasoning_effort": "low"}),
    ("an effort grok-4.5 lacks", 400, {"model": "grok-4.5", "reasoning_effort": "none"}),
    ("351 tools", 400, {"tools": [TOOL] * 351}),
    ("a tool of no type", 422, {"tools": [{"function": {"name": "x"}}]}),
    ("a tool without a name", 422, {"tools": [{"type": "function", "function": {}}]}),
    (
        "parameters that are no schema",
        400,
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": {"type": "thing"}}}]},
    ),
    ("a choice among no tools", 400, {"tool_choice": "required"}),
    ("a choice of an unknown word", 422, {"tools": [TOOL], "tool_choice": "some"}),
    (
        "a choice of another tool",
        400,
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
    ),
    ("a choice without a name", 422, {"tools": [TOOL], "tool_choice": {"type": "function"}}),
    ("a format of no known type", 422, {"response_format": {"type": "yaml"}}),
    ("a format without its schema", 422, {"response_format": {"type": "json_schema"}}),
    ("an invalid schema", 400, {"response_format": schema_format({"type": "thing"})}),
    ("a prompt above the context", 400, {"messages": [{"role": "user", "content": "word " * 210_000}]}),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("unknown fields", {"top_k": 5, "whatever": {"a": 1}}),
    ("null for absent", {"stop": None, "temperature": None, "presence_penalty": None}),
    ("stop where the model takes it", {"model": "grok-4.20-non-reasoning", "stop": ["x"]}),
    ("an effort the model takes", {"model": "grok-4.3", "reasoning_effort": "xhigh"}),
    (
        "every role in any order",
        {
            "messages": [
                {"role": role, "content": "x"}
                for role in ("assistant", "tool", "user", "developer", "system")
            ]
        },
    ),
    (
        "parts",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "x"},
                        {"type": "image_url", "image_url": {"url": "https://x"}},
                    ],
                }
            ]
        },
    ),
    (
        "an assistant that only called tools",
        {"messages": [*MESSAGES, {"role": "assistant", "content": "", "tool_calls": [CALL]}]},
    ),
    ("350 tools", {"tools": [TOOL] * 350}),
    ("a schema of true", {"response_format": schema_format(True)}),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread() as simulator:
        yield simulator


@pytest.mark.parametrize(("status", "change"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_bad_request_is_refused_with_a_flat_error(
    simulator: SimulatorThread, status: int, change: dict[str, Any]
) -> None:
    """The body is {"code", "error"}, both strings, and nothing is accepted."""
    before = simulator.books()["accepted"]
    reply = simulator.submit(**change)
    assert reply.status == status, reply.raw
    assert sorted(reply.json) == ["code", "error"]
    assert all(isinstance(value, str) and value for value in reply.json.values())
    assert reply.headers["content-type"] == "application/json"
    assert simulator.books()["accepted"] == before


@pytest.mark.parametrize("change", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_a_good_request_is_accepted(simulator: SimulatorThread, change: dict[str, Any]) -> None:
    """The API accepts or ignores these."""
    assert simulator.submit(**change).status == 200


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (415, b"", "application/json"),
        (415, b"{}", None),
        (415, b"{}", "text/plain"),
        (400, b"{", "application/json"),
        (400, b'{"model": NaN}', "application/json"),
        (400, b"\xff\xfe{}", "application/json; charset=utf-8"),
        (422, b"[]", "application/json"),
        (422, b"{}", "application/json; charset=utf-8"),
        (400, b"[" * 2000, "application/json"),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    simulator: SimulatorThread, status: int, body: bytes, content_type: str
) -> None:
    """415 for a body that is not JSON, 400 for broken JSON, 422 for JSON of a wrong form."""
    assert simulator.call("POST", CHAT, body, content_type=content_type).status == status


def test_a_schema_too_deep_to_handle_is_refused(simulator: SimulatorThread) -> None:
    """A deep schema is a 400, not a 500."""
    schema: Any = {"type": "string"}
    for _ in range(300):
        schema = {"type": "array", "items": schema}
    assert simulator.submit(response_format=schema_format(schema)).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT, 405),
        ("PUT", CHAT, 405),
        ("POST", "/v1/chat/deferred-completion/x", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/tokenize-text", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/chat/completions", 404),
        ("GET", "/", 404),
        ("GET", "/v1/models/grok-99", 404),
        ("GET", "/v1/language-models/grok-99", 404),
        ("GET", "/v1/language-models/grok-imagine-image", 404),
        ("GET", "/v1/image-generation-models/grok-4.3", 404),
    ],
)
def test_wrong_methods_and_paths(simulator: SimulatorThread, method: str, path: str, status: int) -> None:
    """405 for a wrong method, 404 for an unknown path."""
    assert simulator.call(method, path).status == status


def test_a_missing_key_is_401_and_a_wrong_one_400(simulator: SimulatorThread) -> None:
    """As at the real API, a wrong key is an invalid argument and is shown redacted."""
    assert simulator.call("GET", "/v1/api-key", key=None).status == 401
    wrong = simulator.call("GET", "/v1/api-key", key="sk-wrong-key")
    assert wrong.status == 400
    assert "Incorrect API key provided: sk***ey." in wrong.json["error"]
    assert "sk-wrong-key" not in wrong.json["error"]


def test_named_keys_are_the_only_ones() -> None:
    """With --key all other keys are refused."""
    with SimulatorThread(keys=("xai-one", "xai-two")) as simulator:
        assert [simulator.submit(key=key).status for key in ("xai-one", "xai-two", KEY)] == [200, 200, 400]


def test_a_retired_model_is_served_by_its_successor() -> None:
    """The reply names the successor, whose prices apply."""
    with SimulatorThread(keep_retired=False) as simulator:
        for slug in ("grok-4", "grok-4-0709", "grok-3", "grok-4-fast"):
            assert simulator.completion(model=slug)["model"] == "grok-4.3"
        assert simulator.completion(model="grok-code-fast-1")["model"] == "grok-build-0.1"
        assert (
            simulator.completion(model="grok-3")["usage"]["completion_tokens_details"]["reasoning_tokens"]
            == 0
        )
        assert "grok-4-0709" not in [card["id"] for card in simulator.call("GET", "/v1/models").json["data"]]


def test_the_catalogue_is_listed_with_aliases_and_prices(simulator: SimulatorThread) -> None:
    """/v1/models has OpenAI's form, /v1/language-models has prices in ticks per token."""
    models = simulator.call("GET", "/v1/models").json
    assert models["object"] == "list"
    assert {"grok-4-0709", "grok-4.3"} <= {card["id"] for card in models["data"]}
    assert simulator.call("GET", "/v1/models/grok-4").json["id"] == "grok-4-0709"
    card = simulator.call("GET", "/v1/language-models/grok-4-latest").json
    assert card["aliases"] == ["grok-4", "grok-4-latest"]
    prices = ("prompt_text_token_price", "cached_prompt_text_token_price", "completion_text_token_price")
    assert [card[name] for name in prices] == [30_000, 7_500, 150_000]
    assert card in simulator.call("GET", "/v1/language-models").json["models"]
    assert card["long_context_threshold"] == 128_001
    assert card["completion_text_token_price_long_context"] == 300_000
    assert card["capabilities"] == {"reasoning_effort": [], "default_reasoning_effort": None}
    newest = simulator.call("GET", "/v1/models/grok-latest").json
    assert (newest["id"], newest["capabilities"]["default_reasoning_effort"]) == ("grok-4.7", "high")
    for name in ("grok-4.7-latest", "grok-4.6-latest"):
        assert simulator.call("GET", f"/v1/models/{name}").status == 404
    assert simulator.call("GET", "/v1/models/grok-build-latest").json["id"] == "grok-4.5"


def test_image_models_are_listed_with_the_price_of_an_image(simulator: SimulatorThread) -> None:
    """In /v1/models without a price, in their own list with the default price in cents and tiers in ticks."""
    listed = [card["id"] for card in simulator.call("GET", "/v1/models").json["data"]]
    images = simulator.call("GET", "/v1/image-generation-models").json["models"]
    assert {card["id"] for card in images} == {"grok-imagine-image", "grok-imagine-image-2.0"} <= set(listed)
    card = simulator.call("GET", "/v1/image-generation-models/grok-imagine-image-2.0").json
    assert card in images
    assert card["image_price"] == 6
    medium = {"quality": "medium", "resolution": "1k", "price_per_image": 6 * 10**8}
    assert medium in card["pricing"]
    cheapest = simulator.call("GET", "/v1/models/grok-imagine-image-2026-03-02").json
    assert cheapest["id"] == "grok-imagine-image"
    chat = [one["id"] for one in simulator.call("GET", "/v1/language-models").json["models"]]
    assert not set(chat) & {one["id"] for one in images}


def test_the_key_card_has_the_team_and_hides_the_key(simulator: SimulatorThread) -> None:
    """/v1/api-key has the fields of the real API, with the key redacted."""
    card = simulator.call("GET", "/v1/api-key").json
    assert card["redacted_api_key"] == f"xai-...{KEY[-4:]}"
    assert KEY not in json.dumps(card)
    assert card["acls"] == ["api-key:model:*", "api-key:endpoint:*"]
    assert not any(card[name] for name in ("team_blocked", "api_key_blocked", "api_key_disabled"))
    own = simulator.call("GET", "/v1/me").json
    assert (own["team_id"], own["zdr_status"]) == (card["team_id"], "no_zdr")
    assert own["api_key"] == {
        "api_key_id": card["api_key_id"],
        "redacted_api_key": card["redacted_api_key"],
        "blocked": False,
        "disabled": False,
    }


def test_a_text_is_tokenized_to_its_own_bytes(simulator: SimulatorThread) -> None:
    """The joined token bytes are the text."""
    text = "Grüße, 世界! How are you?"
    body = json.dumps({"text": text, "model": "grok-4"}).encode()
    tokens = simulator.call("POST", "/v1/tokenize-text", body).json["token_ids"]
    assert bytes(byte for token in tokens for byte in token["token_bytes"]).decode() == text
    assert simulator.call("POST", "/v1/tokenize-text", b'{"model": "grok-4"}').status == 422
    assert simulator.call("POST", "/v1/tokenize-text", b'{"model": "grok-99", "text": ""}').status == 404
