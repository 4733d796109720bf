"""The deferred lane, and the information about the API key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from http_server import response, sending, serving

from runner.api import account, deferred
from runner.api.client import XAIClient
from runner.rules.replies.reply import Reply
from runner.settings import Settings, load


def settings(base_url: str, key: str = "xai-abcdefghijklmnop") -> Settings:
    return load({"HOME": "/nowhere", "XAI_API_KEY": key, "XAI_BASE_URL": base_url}, Path("/nowhere"))


def test_a_request_is_submitted_and_its_result_fetched() -> None:
    """By POST and by GET, at the documented paths."""

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests:
            api = XAIClient(settings(f"{requests.url}/v1"), connections=2)
            await deferred.submit(api, b'{"deferred":true}', "conv", "4294967296-2")
            await deferred.submit(api, b'{"deferred":true}')
            await deferred.fetch(api, "3f6c-1")
            await api.close()
        assert requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert [b"x-grok-conv-id: conv" in request for request in requests] == [True, False, False]
        named = [b"x-client-request-id: 4294967296-2\r\n" in request for request in requests]
        assert named == [True, False, False]
        assert requests[2].startswith(b"GET /v1/chat/deferred-completion/3f6c-1 HTTP/1.1\r\n")

    asyncio.run(story())


@pytest.mark.parametrize(
    "request_id",
    ["..", ".", "a/../../api-key", "a?b=c", "a#b", "a b\r\nX: y", "%2e%2e", "ü\ud800", "//evil.example/"],
)
def test_a_request_id_is_one_segment_whatever_it_is(request_id: str) -> None:
    """It comes from outside, and must not change the folder, add a query or end the line."""

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests:
            api = XAIClient(settings(f"{requests.url}/v1"), connections=2)
            await deferred.fetch(api, request_id)
            await api.close()
        path = requests[0].split(b" HTTP/1.1\r\n")[0].removeprefix(b"GET /v1/chat/deferred-completion/")
        assert path
        assert not set(path) & set(b"/?# .\r\n")

    asyncio.run(story())


LIMITS = [
    ({"x-ratelimit-limit-requests": "8300", "x-ratelimit-limit-tokens": "53000000"}, (8300, 53_000_000)),
    ({"x-ratelimit-limit-requests": " 120 "}, (120, None)),
    ({"x-ratelimit-limit-requests": "0", "x-ratelimit-limit-tokens": "-5"}, (None, None)),
    ({"x-ratelimit-limit-requests": "many", "x-ratelimit-limit-tokens": "²"}, (None, None)),
    ({"x-ratelimit-limit-requests": "9" * 5000, "x-ratelimit-limit-tokens": "1.5"}, (None, None)),
    ({}, (None, None)),
]


@pytest.mark.parametrize(("headers", "expected"), LIMITS)
def test_announced_limits(headers: dict[str, str], expected: tuple[int | None, int | None]) -> None:
    """Requests and tokens a minute; None for an absent or invalid header."""
    assert deferred.announced_limits(Reply(status=200, headers=headers, body=b"")) == expected


KEYS = [
    (
        response(b'{"team_id": "t-1", "name": "n", "acls": ["a", 1, "b"], "team_blocked": false}'),
        ("t-1", False),
    ),
    (response(b'{"team_id": "t-1", "api_key_blocked": true}'), ("t-1", True)),
    (response(b'{"team_id": 5, "name": null, "acls": {}}'), (None, False)),
    (response(b"[]"), (None, False)),
    (response(b"<html>"), (None, False)),
    (response(b'{"team_id": "t-1"}', status="401 No"), (None, False)),
]


@pytest.mark.parametrize(("answer", "expected"), KEYS)
def test_the_information_about_the_key(answer: bytes, expected: tuple[str | None, bool]) -> None:
    """The fields that the reply has; the reply itself is kept for its classification."""

    async def story() -> None:
        async with serving(sending(answer)) as requests:
            api = XAIClient(settings(f"{requests.url}/v1"), connections=2)
            info = await account.api_key_info(api)
            await api.close()
        assert requests[0].startswith(b"GET /v1/api-key HTTP/1.1\r\n")
        assert (info.team_id, info.blocked) == expected
        assert answer.startswith(f"HTTP/1.1 {info.reply.status} ".encode())

    asyncio.run(story())


def test_the_name_of_a_key_does_not_reveal_it() -> None:
    """It is the same for any base URL, so that the limits are shared while the team is unknown."""
    name = account.key_fingerprint(settings("https://api.x.ai/v1"))
    assert name == account.key_fingerprint(settings("https://elsewhere.example"))
    assert "abcdef" not in name
    assert account.key_fingerprint(settings("https://api.x.ai/v1", key="")) == "no-key"
