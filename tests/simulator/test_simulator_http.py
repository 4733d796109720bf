"""HTTP as a client sees it: whole and chunked bodies, pieces, rows, broken deliveries, closing."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from simulator_thread import CHAT, TIMEOUT_S, SimulatorThread

from runner.simulator.broken_replies import BYTES_MISSING
from runner.simulator.http_handler import BODY_BYTES_MAX
from runner.simulator.options import Options
from runner.simulator.server import serve

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


def rest(client: socket.socket) -> tuple[bytes, bytes]:
    """Read until the connection closes. Return (head, body) of a reply, without date and request id."""
    with client.makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
    return CHANGING.sub(rb"\1", head + b"\r\n"), body


@pytest.mark.parametrize("switches", [{}, {"down": True}, {"rpm": 1}, {"headers": "with-reset"}])
def test_a_body_in_chunks_gets_the_same_reply(switches: dict[str, object]) -> None:
    """Same status line, headers, their order and body; only ids differ."""
    with (
        SimulatorThread(rpm=100, rps="none", retry_after=2.0) as simulator,
        connected(simulator) as whole,
        connected(simulator) as other,
    ):
        simulator.submit(key="xai-a")
        simulator.switch(**switches)
        for client, raw in ((whole, post()), (other, chunked())):
            client.sendall(raw)
        (head, body), (other_head, other_body) = replies(whole, 1)[0], replies(other, 1)[0]
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


@pytest.mark.parametrize("size", [100_000, 2**20 + 1, 4 * 2**20], ids=["short", "over", "long"])
def test_long_bodies_are_whole(size: int) -> None:
    """Also beyond 1 MiB, where aiohttp's own limit stands; the next request is served, too."""
    with SimulatorThread() as simulator, connected(simulator) as client:
        client.sendall(post(BODY[:-1] + b" " * size + b"}") + MODELS)
        submitted, models = replies(client, 2)
        assert b'"request_id"' in submitted[1]
        assert b'"list"' in models[1]


def test_a_body_that_is_too_large_is_refused() -> None:
    """With a 413 in the form of the API, and nothing is accepted."""
    with SimulatorThread() as simulator:
        reply = simulator.call("POST", CHAT, bytes(BODY_BYTES_MAX + 1))
        assert (reply.status, reply.json["code"]) == (413, "invalid-argument")
        assert simulator.call("POST", CHAT, bytes(BODY_BYTES_MAX)).status == 400
        assert simulator.books()["accepted"] == 0


@pytest.mark.parametrize("middle", [post(), chunked(), post(more=b"Expect: 100-continue\r\n")])
def test_requests_in_a_row_are_answered_in_order(middle: bytes) -> None:
    """Three requests sent at once: a slow one, one whose body comes in one of three ways, a quick one."""
    with SimulatorThread(median_s=0.2, sigma=0.0) as simulator, connected(simulator) as client:
        client.sendall(post(DIRECT) + middle + MODELS)
        first, second, third = replies(client, 3)
        assert b'"chat.completion"' in first[1]
        assert b'"request_id"' in second[1]
        assert b'"list"' in third[1]
        assert (simulator.books()["accepted"], simulator.books()["fetched"]) == (2, 1)


def test_a_client_that_reads_late_gets_all_replies() -> None:
    """Many requests are sent before the first reply is read."""
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


def test_a_connection_stays_usable() -> None:
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


@pytest.mark.parametrize("raw", [post()[:-1], chunked()[:-5]], ids=["whole", "chunked"])
def test_a_client_that_leaves_within_its_body_is_no_error(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is accepted, and nothing is logged: killed clients are what the simulator is for."""
    with SimulatorThread() as simulator:
        with connected(simulator) as client:
            client.sendall(raw)
            assert simulator.books()["accepted"] == 0  # the request is being read now
        assert simulator.books()["accepted"] == 0
    assert caplog.records == []


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


def test_closing_cancels_what_a_client_has_left() -> None:
    """No request outlives the server, though its connection is gone already."""

    async def story() -> None:
        server = await serve(Options(median_s=0.0, faults={"hang": 1.0}, hang_s=1e6, keep_retired=True))
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post())
        while b'"hang":1' not in b"".join(server.books_json(jobs=False)):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(MODELS)
        await reader.readline()  # the server has read the end of the first connection before it
        writer.close()
        await server.close()
        await asyncio.sleep(0)  # tasks that are done leave the list
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


@pytest.mark.parametrize(("kind", "missing"), [("cut", 0), ("wrong_length", BYTES_MISSING)])
def test_a_short_body_has_the_head_of_a_whole_one(kind: str, missing: int) -> None:
    """Status and headers do not tell that the connection will close; only the length may be wrong."""
    found = []
    for faults in ({}, {kind: 1.0}):
        with SimulatorThread(faults=faults) as simulator, connected(simulator) as client:
            request_id = simulator.submit_id(key="xai-a").encode()
            client.sendall(b"GET /v1/chat/deferred-completion/%b HTTP/1.1\r\n%b\r\n" % (request_id, USUAL))
            found.append(rest(client) if faults else replies(client, 1)[0])
    (head, body), (broken_head, broken_body) = found
    whole, announced = [b"Content-Length: %d\r\n" % size for size in (len(body), len(body) + missing)]
    assert broken_head == head.replace(whole, announced)
    assert len(broken_body) == (len(body) if missing else len(body) // 2)


def test_bytes_that_are_not_http_get_a_400() -> None:
    """The reply is aiohttp's own 400, and the simulator serves on."""
    with SimulatorThread() as simulator:
        for raw in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", post(more=b"Content-Length: 1\r\n")):
            with connected(simulator) as client:
                client.sendall(raw)
                assert b" 400 Bad Request" in replies(client, 1)[0][0]
