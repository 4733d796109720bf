"""The API client over real sockets: what it sends, how often, where to, and which errors it raises."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import struct
import subprocess
import traceback
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from http_server import Requests, play, response, sending, serving
from open_clients import KEY, failure, open_client, open_impatient
from yarl import URL

from runner import __version__
from runner.api.origin import Origin
from runner.rules.errors import Bug, UsageError
from runner.rules.replies.reply import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def test_a_request_is_sent_as_given_and_the_reply_comes_as_it_is() -> None:
    """The body byte for byte, the key in one header; a reply of any status is returned unchanged."""

    async def story() -> None:
        answer = response(b'{"a": "\xff"}', "X-Request-ID: 7", "X-Twice: a", status="503 Busy")
        async with serving(sending(answer)) as requests, open_client(f"{requests.url}/v1") as api:
            reply = await api.post("/chat/completions", b'{"x":  1}', {"x-grok-conv-id": "c"})
            assert (reply.status, reply.body, reply.headers["x-request-id"]) == (503, b'{"a": "\xff"}', "7")
        head, _, body = requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert (lines[0], body) == ("POST /v1/chat/completions HTTP/1.1", b'{"x":  1}')
        assert lines.count(f"Authorization: Bearer {KEY}") == 1
        assert {"x-grok-conv-id: c", f"User-Agent: runner/{__version__}"} <= set(lines)
        assert "Content-Type: application/json" in lines

    asyncio.run(story())


def test_connections_are_reused() -> None:
    """A handshake for each request would cost more than the request."""

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests, open_client(requests.url) as api:
            for _ in range(5):
                await api.get("/models")
        assert (len(requests), requests.connections) == (5, 1)

    asyncio.run(story())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(status: str) -> None:
    """The key must not reach another host; the redirect itself is the reply."""

    async def story() -> None:
        async with serving(sending(response())) as other:
            redirect = response(b"", f"Location: {other.url}/steal", status=status)
            async with serving(sending(redirect)) as requests, open_client(requests.url) as api:
                assert (await api.get("/x")).status == int(status[:3])
                assert (await api.post("/x", b"{}")).status == int(status[:3])
        assert (len(requests), len(other)) == (2, 0)

    asyncio.run(story())


def test_refused_and_unresolved_hosts_were_not_sent_to() -> None:
    """No byte has left, so it is safe to send again."""

    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, but not listening
            async with open_client(f"http://127.0.0.1:{taken.getsockname()[1]}") as api:
                assert (await failure(api.post("/x", b"{}"))).fault is Fault.NOT_SENT
        async with open_client("https://nowhere.invalid") as api:
            assert (await failure(api.post("/x", b"{}"))).fault is Fault.NOT_SENT

    asyncio.run(story())


def test_a_failed_tls_handshake_sent_nothing() -> None:
    """The server does not speak TLS, or never ends the handshake."""

    async def story() -> None:
        async with (
            serving(sending()) as requests,
            open_impatient(requests.url.replace("http:", "https:")) as api,
        ):
            assert (await failure(api.post("/x", b"{}"))).fault is Fault.NOT_SENT
        assert requests == []

    play(story())


def test_a_timeout_while_waiting_for_a_connection_sent_nothing() -> None:
    """All connections are in use for longer than `connect_timeout_s`."""

    async def story() -> None:
        async with (
            serving(sending()) as requests,
            open_client(requests.url, connect_timeout_s=2, read_timeout_s=8) as api,
        ):
            faults = await asyncio.gather(*(failure(api.get("/x")) for _ in range(6)))
        assert sorted(failed.fault for failed in faults) == [Fault.NOT_SENT] * 2 + [Fault.UNKNOWN] * 4
        assert len(requests) == 4

    play(story())


def test_a_host_that_does_not_take_the_connection_was_not_sent_to() -> None:
    """Its queue is full, so the TCP handshake is never answered."""

    async def story() -> None:
        with socket.socket() as full, contextlib.ExitStack() as clients:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for _ in range(3):
                one = clients.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with open_client(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=5) as api:
                failed = await failure(api.post("/x", b"{}"))
        assert failed.fault is Fault.NOT_SENT

    play(story())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_host_without_a_trusted_certificate_gets_no_byte(tmp_path: Path) -> None:
    """It may be any server: the key must not reach it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    command = [*openssl.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def story() -> None:
        async with (
            serving(sending(response(b"{}")), tls) as requests,
            open_client(requests.url.replace("http:", "https:")) as api,
        ):
            failed = await failure(api.post("/x", b"{}"))
        assert (failed.fault, list(requests)) == (Fault.NOT_SENT, [])

    asyncio.run(story())


def test_a_reset_before_anything_was_read_is_unknown() -> None:
    """The bytes may have left before the reset arrived."""

    async def story() -> None:
        async with resetting() as url, open_client(url) as api:
            assert (await failure(api.post("/x", b"x" * 1_000_000))).fault is Fault.UNKNOWN

    asyncio.run(story())


def test_a_body_without_a_length_that_never_ends_is_no_answer() -> None:
    """Such a body ends with its connection, and here the client's timeout ended that."""

    async def story() -> None:
        async with (
            serving(sending(b"HTTP/1.1 200 OK\r\n\r\nhalf")) as requests,
            open_impatient(requests.url) as api,
        ):
            failed = await failure(api.get("/x"))
        assert failed.fault is Fault.CUT
        assert "in time" in failed.detail

    play(story())


WHOLE = b'{"choices":[{"message":{"content":"4"}}]}'


@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_whole_object_under_a_length_that_is_too_large_is_the_reply(tail: bytes) -> None:
    """An answer is handed out once: what is whole up to its last brace is kept."""
    sent = response(WHOLE + tail).replace(b"Content-Length: ", b"Content-Length: 1")

    async def then_close(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    async def story() -> None:
        async with serving(then_close) as requests, open_client(requests.url) as api:
            assert (await api.get("/x")).body == WHOLE + tail
            assert (await api.get("/x")).body == WHOLE + tail
            assert requests.connections == 2
        async with serving(sending(sent)) as requests, open_impatient(requests.url) as api:
            assert (await api.get("/x")).body == WHOLE + tail

    play(story())


@pytest.mark.parametrize("missing", [1, 20, len(WHOLE)])
def test_an_object_that_is_not_whole_is_cut(missing: int) -> None:
    """Its length says so."""

    async def then_close(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        writer.write(response(WHOLE)[:-missing])
        await writer.drain()
        writer.close()

    async def story() -> None:
        async with serving(then_close) as requests, open_client(requests.url) as api:
            assert (await failure(api.get("/x"))).fault is Fault.CUT

    asyncio.run(story())


def test_a_long_body_arrives_whole_and_may_be_refused_before_its_end() -> None:
    """It is written in pieces; a reply that comes before the last piece is read."""
    body, ended = b"x" * 5_000_000, asyncio.Event()

    async def reply_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"{}", status="413 Too Large"))
        await writer.drain()
        while await reader.read(65_536):
            pass
        writer.close()
        ended.set()

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests, open_client(requests.url) as api:
            assert (await api.post("/x", body)).status == 200
        assert requests[0].endswith(body)
        async with await asyncio.start_server(reply_early, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_client(f"http://127.0.0.1:{port}") as api:
                assert (await api.post("/x", body)).status == 413
            await ended.wait()

    asyncio.run(story())


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_no_header_ends_its_line(text: str) -> None:
    """Nothing is sent: the rest would be another header, or another request."""

    async def story() -> None:
        async with serving(sending(response(b"{}"))) as requests, open_client(requests.url) as api:
            for headers in ({"x-grok-conv-id": text}, {text: "a"}):
                assert (await failure(api.post("/x", b"{}", headers))).fault is Fault.NOT_SENT
        assert list(requests) == []

    asyncio.run(story())


@asynccontextmanager
async def resetting() -> AsyncIterator[str]:
    """Serve on a free port and reset every connection without reading; yield the URL."""

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reset(Requests(), writer)

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def never_reply(_requests: Requests, _writer: asyncio.StreamWriter) -> None:
    """Never reply."""


async def reset(_requests: Requests, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(_requests: Requests, writer: asyncio.StreamWriter) -> None:
    writer.close()


TIMED_OUT, BROKE_OFF, CUT_SHORT, UNUSABLE = (
    " did not answer in time",
    " broke the connection off before it had answered",
    " broke off before its end",
    " gave no usable reply (",
)
BROKEN = {
    "no reply": (never_reply, Fault.UNKNOWN, TIMED_OUT),
    "reset": (reset, Fault.UNKNOWN, BROKE_OFF),
    "hung up": (hang_up, Fault.UNKNOWN, BROKE_OFF),
    "not HTTP": (sending(b"what?\r\n\r\n"), Fault.UNKNOWN, UNUSABLE),
    "half a head": (sending(b"HTTP/1.1 200 OK\r\nContent-Le"), Fault.UNKNOWN, TIMED_OUT),
    "an endless head": (sending(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), Fault.UNKNOWN, UNUSABLE),
    "nothing after the head": (sending(response(b"x" * 100)[:-100]), Fault.CUT, TIMED_OUT),
    "half a body": (sending(response(b"x" * 100)[:-50]), Fault.CUT, TIMED_OUT),
    "no gzip": (sending(response(b"plain", "Content-Encoding: gzip")), Fault.CUT, CUT_SHORT),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_fault_of_a_broken_reply(case: str) -> None:
    """UNKNOWN before the head of the reply, CUT after it. No reply is returned, and nothing is sent again."""

    async def story() -> None:
        answer, expected, detail = BROKEN[case]
        async with serving(answer) as requests, open_impatient(requests.url) as api:
            failed = await failure(api.post("/x", b"{}"))
        assert (failed.fault, len(requests)) == (expected, 1)
        assert detail in failed.detail
        assert requests.url.removeprefix("http://") in failed.detail

    play(story())


UNREACHABLE = {
    "no server": (
        "http://127.0.0.1:9",
        "cannot connect to 127.0.0.1:9 (connection refused); check XAI_",
    ),
    "no such name": ("https://nowhere.invalid", "the name nowhere.invalid is not found; check XAI_BASE_URL"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_an_unreachable_host_is_reported_with_a_fix(case: str) -> None:
    """Nothing was sent; the error is a sentence with a fix, without the name of a class."""

    async def story() -> None:
        url, detail = UNREACHABLE[case]
        async with open_client(url) as api:
            failed = await failure(api.post("/x", b"{}"))
        assert failed.fault is Fault.NOT_SENT
        assert failed.detail.startswith(detail)

    asyncio.run(story())


def test_https_to_a_server_without_tls_is_reported() -> None:
    """A usual mistake: https with the address of a plain server."""

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(response(status="400 Bad Request"))
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
        async with server, open_client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as api:
            failed = await failure(api.get("/x"))
        assert failed.fault is Fault.NOT_SENT
        assert "does not speak TLS as it should" in failed.detail
        assert "XAI_BASE_URL" in failed.detail

    asyncio.run(story())


def test_a_body_that_ends_early_is_cut() -> None:
    """The connection was closed before `Content-Length` bytes had arrived."""

    async def cut(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x" * 100)[:-50])
        writer.close()

    async def story() -> None:
        async with serving(cut) as requests, open_client(requests.url) as api:
            assert (await failure(api.get("/x"))).fault is Fault.CUT

    asyncio.run(story())


@pytest.mark.parametrize(
    ("start", "expected"),
    [(response(b"x" * 1000)[:-1000], Fault.CUT), (b"HTTP/1.1 200 OK\r\nX-Slow: ", Fault.UNKNOWN)],
    ids=["body", "head"],
)
def test_a_slow_drip_ends_with_the_total_time(start: bytes, expected: Fault) -> None:
    """Each byte arrives in time, but the whole would take for ever."""
    dripped = 0

    async def drip(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        nonlocal dripped
        writer.write(start)
        while True:
            writer.write(b"x")
            await writer.drain()
            dripped += 1
            await asyncio.sleep(3)

    async def story() -> None:
        async with serving(drip) as requests, open_impatient(requests.url) as api:
            assert (await failure(api.get("/x"))).fault is expected
            assert dripped == 4, "after 0, 3, 6 and 9 of 10 seconds"

    play(story())


@pytest.mark.parametrize("chunk", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n"])
def test_a_body_in_broken_chunks_is_cut(chunk: bytes) -> None:
    """Its beginning was in order. It ends with the total time, whatever the parser does with the rest."""

    async def break_off(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await writer.drain()
        await asyncio.sleep(3)
        writer.write(chunk)

    async def story() -> None:
        async with serving(break_off) as requests, open_impatient(requests.url) as api:
            assert (await failure(api.get("/x"))).fault is Fault.CUT
        assert len(requests) == 1

    play(story())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 2
BOMB = b"\x00" * (64 << 20)
TOO_LARGE = {
    "announced": sending(response(b"x" * 1025)),
    "chunked": sending(CHUNKED + b"0\r\n\r\n"),
    "gzip bomb": sending(response(gzip.compress(BOMB, 1), "Content-Encoding: gzip")),
    "deflate bomb": sending(response(zlib.compress(BOMB, 1), "Content-Encoding: deflate")),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_body_above_the_limit_is_not_taken(case: str) -> None:
    """Its size after decompression counts, and the client still works afterwards."""

    async def story() -> None:
        async with (
            serving(TOO_LARGE[case]) as requests,
            open_client(requests.url, body_bytes_max=1024) as api,
        ):
            for _ in range(2):
                failed = await failure(api.get("/x"))
                assert (failed.fault, "1024 bytes" in failed.detail) == (Fault.TOO_LARGE, True)

    asyncio.run(story())


def test_a_body_of_just_the_limit_is_taken() -> None:
    """Compressed or not."""

    async def story() -> None:
        body = bytes(range(256)) * 4
        for answer in (response(body), response(gzip.compress(body), "Content-Encoding: gzip")):
            async with (
                serving(sending(answer)) as requests,
                open_client(requests.url, body_bytes_max=1024) as api,
            ):
                assert (await api.get("/x")).body == body

    asyncio.run(story())


def test_no_cookie_is_kept() -> None:
    """One reply must not change the next request."""

    async def story() -> None:
        async with (
            serving(sending(response(b"{}", "Set-Cookie: a=b"))) as requests,
            open_client(requests.url) as api,
        ):
            await api.get("/x")
            await api.get("/x")
        assert not any(b"cookie" in request.lower() for request in requests)

    asyncio.run(story())


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_never_sees_the_key_of_a_plain_request(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies of the environment are used for https only, where they see only the host."""

    async def story() -> None:
        async with serving(sending(response())) as proxy, serving(sending(response(b"{}"))) as requests:
            monkeypatch.setenv(variable, proxy.url)
            async with open_client(requests.url) as api:
                await api.get("/x")
        assert (len(proxy), len(requests)) == (0, 1)

    asyncio.run(story())


@pytest.mark.parametrize("case", BROKEN)
def test_no_error_shows_the_key(case: str) -> None:
    """Neither its text, nor its repr, nor a traceback with the exceptions behind it."""

    async def story() -> None:
        async with serving(BROKEN[case][0]) as requests, open_impatient(requests.url) as api:
            failed = await failure(api.post("/x", b"{}"))
            shown = [str(failed), repr(failed), failed.detail, repr(api), str(vars(api))]
            assert failed.__context__ is None
            assert failed.__cause__ is None
        assert not any(KEY in text for text in [*shown, *traceback.format_exception(failed)])

    play(story())


@pytest.mark.parametrize(
    "url",
    [
        "http://api.x.ai/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://10.0.0.1/v1",
        "ftp://api.x.ai",
        "api.x.ai/v1",
        "https://user:password@api.x.ai/v1",
        "https://api.x.ai/v1?a=b",
        "https://api.x.ai/v1#a",
        "http://[::1/v1",
        "",
    ],
)
def test_the_key_goes_to_no_doubtful_address(url: str) -> None:
    """Http only to this machine; no URL with a user, a query or a fragment."""
    with pytest.raises(UsageError):
        Origin(url, ("lab",))


@pytest.mark.parametrize(
    "url",
    ["https://api.x.ai/v1", "http://localhost:1/v1", "http://127.0.0.1:1", "http://[::1]:1/", "http://lab:1"],
)
def test_addresses_that_may_have_the_key(url: str) -> None:
    """Https to any host, http to this machine and to named hosts."""
    assert Origin(url, ("lab",)).base.host == URL(url).host


@pytest.mark.parametrize("path", ["@evil.example/x", ".evil.example", ":80/x", ""])
def test_no_path_leads_to_another_host(path: str) -> None:
    """A path must not extend the host of a base URL that has no path."""
    with pytest.raises(Bug):
        Origin("https://api.x.ai").url(path)
