"""A request is sent once, however its connection ends: a result can be fetched only once.

A session of aiohttp sends a GET again when the connection breaks before the reply: on a used connection, on a
new one, and on one that a proxy was to open.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from http_server import Requests, response, sending, serving
from open_clients import failure, open_client

from runner.rules.replies.reply import Fault

if TYPE_CHECKING:
    from runner.api.client import XAIClient
    from runner.rules.replies.reply import Reply


async def hang_up(_requests: Requests, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_requests: Requests, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


BREAKS = {"hung up": hang_up, "reset": reset}


async def send(api: XAIClient, method: str) -> Reply:
    return await (api.get("/x") if method == "get" else api.post("/x", b"{}"))


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_is_sent_twice_when_a_used_connection_breaks(method: str, how: str) -> None:
    """The server heard the request and may have handed out the result."""

    async def answer_once(requests: Requests, writer: asyncio.StreamWriter) -> None:
        if len(requests) == 1:
            writer.write(response(b"{}"))
        else:
            await BREAKS[how](requests, writer)

    async def story() -> None:
        async with serving(answer_once) as requests, open_client(requests.url) as api:
            await api.get("/first")
            assert (await failure(send(api, method))).fault is Fault.UNKNOWN
        assert (len(requests), requests.connections) == (2, 1)

    asyncio.run(story())


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_is_sent_twice_when_a_new_connection_breaks(method: str, how: str) -> None:
    """The error says so, and the next request is sent as if nothing had been."""

    async def break_once(requests: Requests, writer: asyncio.StreamWriter) -> None:
        if len(requests) == 1:
            await BREAKS[how](requests, writer)
        else:
            writer.write(response(b"{}"))

    async def story() -> None:
        async with serving(break_once) as requests, open_client(requests.url) as api:
            failed = await failure(send(api, method))
            assert failed.fault is Fault.UNKNOWN
            assert "broke the connection off before it had answered" in failed.detail
            assert len(requests) == 1
            assert (await send(api, method)).status == 200

    asyncio.run(story())


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_proxy_is_asked_once_and_nothing_was_sent(
    method: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks the connection before there is one to the API, which therefore got nothing."""

    async def story() -> None:
        async with serving(BREAKS[how]) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            async with open_client("https://api.example") as api:
                failed = await failure(send(api, method))
        assert (failed.fault, len(proxy)) == (Fault.NOT_SENT, 1)
        assert "does not reply as an HTTP proxy does" in failed.detail

    asyncio.run(story())


def test_a_closed_client_sends_nothing() -> None:
    """A request that comes after it is as safe as one whose connection could not be opened."""

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests:
            async with open_client(requests.url) as api:
                await api.get("/x")
            assert (await failure(api.get("/x"))).fault is Fault.NOT_SENT
            assert len(requests) == 1

    asyncio.run(story())
