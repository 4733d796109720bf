"""Fast path: simple requests are answered from their bytes, all others by aiohttp, with the same replies."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st
from simulator_thread import CHAT, TIMEOUT_S, SimulatorThread

from runner.simulator.fast_path import SIMPLE_BODY_BYTES_MAX, parse_simple

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b'{"model":"grok-4","deferred":true,"messages":[{"role":"user","content":"x"}]}'
DIRECT = BODY.replace(b"true", b"false")
USUAL = b"Host: x\r\nAuthorization: Bearer xai-a\r\nContent-Type: application/json\r\n"
MODELS = b"GET /v1/models HTTP/1.1\r\n" + USUAL + b"\r\n"
CHANGING = re.compile(rb"(?i)(date|x-request-id): [^\r]*")


def post(body: bytes = BODY, more: bytes = b"", path: bytes = CHAT.encode()) -> bytes:
    """Return the bytes of a submit, with `more` header lines."""
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (path, USUAL, more, len(body), body)


def chunked(body: bytes = BODY) -> bytes:
    """Return the bytes of a submit without a content length."""
    head = b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (CHAT.encode(), USUAL)
    return b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)


@contextmanager
def connected(simulator: SimulatorThread) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", simulator.server.port), timeout=TIMEOUT_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def replies(client: socket.socket, count: int) -> list[tuple[bytes, bytes]]:
    """Read `count` replies. Return (head, body) of each, without dates and request ids."""
    found: list[tuple[bytes, bytes]] = []
    with client.makefile("rb") as stream:
        while len(found) < count:
            head = b"".join(iter(stream.readline, b"\r\n"))
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length, head
            found.append((CHANGING.sub(rb"\1", head), stream.read(int(length[1]))))
    return found


@pytest.mark.parametrize("switches", [{}, {"down": True}, {"rpm": 1}, {"headers": "with-reset"}])
def test_fast_path_and_aiohttp_reply_the_same(switches: dict[str, object]) -> None:
    """Same status line, headers, their order and body; only ids differ."""
    with (
        SimulatorThread(rpm=100, rps="none", retry_after=2.0) as simulator,
        connected(simulator) as fast,
        connected(simulator) as other,
    ):
        simulator.submit(key="xai-a")
        simulator.switch(**switches)
        for client, raw in ((fast, post()), (other, chunked())):
            client.sendall(raw)
        (head, body), (other_head, other_body) = replies(fast, 1)[0], replies(other, 1)[0]
        assert head == other_head
        assert re.sub(rb"[0-9a-f]{12}", b"", body) == re.sub(rb"[0-9a-f]{12}", b"", other_body)


@pytest.mark.parametrize("at", [1, 20, 60, len(post()) - len(BODY), len(post()) - 1])
def test_a_request_may_come_in_pieces(at: int) -> None:
    """The request is served wherever it is split, and the connection stays open."""
    with SimulatorThread() as simulator, connected(simulator) as client:
        for _ in range(2):
            client.sendall(post()[:at])
            time.sleep(0.02)
            client.sendall(post()[at:])
            assert replies(client, 1)[0][0].startswith(b"HTTP/1.1 200 OK")
        assert simulator.books()["accepted"] == 2


@pytest.mark.parametrize(
    "size",
    [SIMPLE_BODY_BYTES_MAX - 1000, SIMPLE_BODY_BYTES_MAX + 1, 3 * SIMPLE_BODY_BYTES_MAX],
    ids=["buffered", "over", "long"],
)
def test_long_bodies_are_whole(size: int) -> None:
    """Small ones are buffered, larger ones read by aiohttp; the next request is served, too."""
    with SimulatorThread() as simulator, connected(simulator) as client:
        client.sendall(post(BODY.replace(b'"x"', b'"%b"' % (b"x" * size))) + MODELS)
        assert [head[:15] for head, _ in replies(client, 2)] == [b"HTTP/1.1 200 OK"] * 2
        assert simulator.books()["tokens"]["prompt"] > size // 4


@pytest.mark.parametrize("middle", [post(), chunked(), post(more=b"Expect: 100-continue\r\n")])
def test_requests_in_a_row_are_answered_in_order(middle: bytes) -> None:
    """Three requests sent at once: a slow one, one for either server, a simple one."""
    with SimulatorThread(median_s=0.2, sigma=0.0) as simulator, connected(simulator) as client:
        client.sendall(post(DIRECT) + middle + MODELS)
        first, second, third = replies(client, 3)
        assert b'"chat.completion"' in first[1]
        assert b'"request_id"' in second[1]
        assert b'"list"' in third[1]
        assert (simulator.books()["accepted"], simulator.books()["fetched"]) == (2, 1)


def test_a_client_that_reads_late_gets_all_replies() -> None:
    """Many requests are sent before the first reply is read; the last one is for aiohttp."""
    many = 3000
    with SimulatorThread() as simulator, connected(simulator) as client:
        sending = threading.Thread(target=client.sendall, args=(MODELS * many + chunked(),))
        sending.start()
        time.sleep(0.3)
        *found, (last, _) = replies(client, many + 1)
        sending.join()
        assert set(found) == {found[0]}
        assert last.startswith(b"HTTP/1.1 200 OK")
        assert simulator.books()["accepted"] == 1


def test_a_connection_handed_to_aiohttp_stays_usable() -> None:
    """Keep-alive works, and the connection closes when the client asks for it."""
    with SimulatorThread() as simulator, connected(simulator) as client:
        for raw in (post(), chunked(), post(), MODELS, post(more=b"Connection: close\r\n")):
            client.sendall(raw)
            assert replies(client, 1)[0][0].startswith(b"HTTP/1.1 200 OK")
        assert client.recv(1) == b""


def test_a_client_that_disconnects_has_fetched() -> None:
    """As at the API, an answer under way when the client disconnects is billed."""
    with SimulatorThread(submit_ms=100.0) as simulator:
        with connected(simulator) as client:
            client.sendall(post(DIRECT))
            time.sleep(0.02)
        until = time.monotonic() + TIMEOUT_S
        while simulator.books()["fetched"] != 1:
            assert time.monotonic() < until


def test_closing_cancels_what_is_under_way() -> None:
    """Closing waits for no slow reply, of eleven days here, and for no incomplete request."""
    until = time.monotonic() + TIMEOUT_S
    with (
        SimulatorThread(faults={"hang": 1.0}, hang_s=1e6) as simulator,
        connected(simulator) as hanging,
        connected(simulator) as half,
    ):
        hanging.sendall(post())
        half.sendall(post()[:-1])
        while simulator.books()["faults"] != {"hang": 1}:
            assert time.monotonic() < until


def test_bytes_that_are_not_http_get_a_400() -> None:
    """The reply is aiohttp's own 400."""
    with SimulatorThread() as simulator:
        for raw in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", post(more=b"Content-Length: 1\r\n")):
            with connected(simulator) as client:
                client.sendall(raw)
                assert b" 400 Bad Request" in replies(client, 1)[0][0]


LINES = [
    *[b"Host: x\r\n", b"Authorization: Bearer xai-a\r\n", b"content-length: 5\r\n", b"Content-Length: 0\r\n"],
    *[
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5 \r\n",
        b"Content-Length:\r\n",
    ],
    *[b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"],
    *[
        b"Connection: keep-alive\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
    ],
    *[
        b"Content-Encoding: gzip\r\n",
        b"X: \xff\r\n",
        b"X: a\n",
        b"X: a\r",
        b" folded\r\n",
        b"X : a\r\n",
        b"X: \0\r\n",
    ],
    *[b"\n", b"\r\n", b"X:\r\n", b":\r\n", b"GET / HTTP/1.1\r\n"],
]
FIRST = [
    *[b"POST /v1/models HTTP/1.1\r\n", b"GET /v1/models HTTP/1.1\r\n", b"GET /v1/models HTTP/1.0\r\n"],
    *[b"PUT / HTTP/1.1\r\n", b"GET /a?b HTTP/1.1\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1\n"],
]


@given(st.sampled_from(FIRST), st.lists(st.sampled_from(LINES), max_size=6), st.binary(max_size=8))
@example(FIRST[0], [LINES[0], LINES[2]], b"12345")
@example(FIRST[1], [LINES[0]], b"")
def test_a_simple_request_is_parsed_as_by_aiohttp(first: bytes, lines: list[bytes], rest: bytes) -> None:
    """The fast path returns the same request as aiohttp, or None, for any header lines."""

    async def compare() -> None:
        data = first + b"".join(lines) + b"\r\n" + rest
        parsed = parse_simple(data)
        if parsed is None:
            return
        request, end = parsed
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        try:
            ((message, payload),), upgraded, _ = parser.feed_data(data[:end])
        except HttpProcessingError:
            pytest.fail("aiohttp refuses it")
        assert (message.method, message.path) == (request.method, request.path)
        assert message.headers == request.headers
        assert [message.should_close, message.chunked, message.upgrade, upgraded] == [False] * 4
        assert message.compression is None
        assert payload.is_eof() == (end <= len(data))
        if end <= len(data):
            assert await payload.read() == request.body

    asyncio.run(compare())
