"""TLS with a certificate of a private authority, and through a proxy."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

BODY = json.dumps({"team_id": "team-1", "acls": [], "api_key_blocked": False}).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (
        len(BODY),
        BODY,
    )
)


def make_certificates(folder: Path) -> None:
    """Make an authority, and a certificate for localhost signed by it."""
    (folder / "san").write_text("subjectAltName=DNS:localhost")
    for arguments in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out cert.pem",
    ):
        subprocess.run(
            ["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True, timeout=200
        )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[bytes]) -> None:
    heads.append(await reader.readuntil(b"\r\n\r\n"))
    writer.write(REPLY)
    await writer.drain()
    writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[bytes]) -> None:
    """Serve a proxy: CONNECT, then bytes both ways."""
    head = await reader.readuntil(b"\r\n\r\n")
    heads.append(head)
    host, _, port = head.split(b" ", 2)[1].decode().partition(":")
    inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer), return_exceptions=True)


class Servers:
    """An API behind TLS and a proxy, in a thread; the heads of the requests to each."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.proxied: list[bytes] = []
        self.url = self.proxy = ""


@asynccontextmanager
async def _listening(folder: Path, servers: Servers) -> AsyncIterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    api = await asyncio.start_server(
        lambda r, w: _answer(r, w, servers.requests), "localhost", 0, ssl=context
    )
    proxy = await asyncio.start_server(lambda r, w: _forward(r, w, servers.proxied), "127.0.0.1", 0)
    servers.url = f"https://localhost:{api.sockets[0].getsockname()[1]}/v1"
    servers.proxy = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with api, proxy:
        yield


@contextmanager
def serving(folder: Path) -> Iterator[Servers]:
    """Run the servers until the block ends."""
    servers, ready, done = Servers(), threading.Event(), threading.Event()

    async def story() -> None:
        async with _listening(folder, servers):
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(story()))
    thread.start()
    assert ready.wait(120)
    try:
        yield servers
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the certificates."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    return folder


def doctor(folder: Path, url: str, **environment: str) -> dict[str, Any]:
    """Run the real `runner doctor`; return its check of the API."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNNER_", "XAI_", "SSL_")) and "proxy" not in name.lower()
    }
    ours = {"RUNNER_HOME": str(folder / "home"), "XAI_API_KEY": KEY, "XAI_BASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "doctor", "--json"],
        env=inherited | ours | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    (found,) = [check for check in json.loads(done.stdout)["checks"] if check["name"].startswith("api")]
    return dict(found)


def test_a_private_authority_is_trusted_where_it_is_named(certificates: Path, tmp_path: Path) -> None:
    """By SSL_CERT_FILE; without it the key is not sent."""
    with serving(certificates) as servers:
        refused = doctor(tmp_path, servers.url)
        assert refused["state"] == "failed"
        assert "the certificate of localhost:" in refused["told"]
        assert "SSL_CERT_FILE" in refused["fix"]
        assert servers.requests == []

        trusted = doctor(tmp_path, servers.url, SSL_CERT_FILE=str(certificates / "ca.pem"))
        assert trusted["state"] == "ok", trusted
        assert KEY.encode() in servers.requests[0]


def test_a_proxy_carries_tls_and_never_sees_the_key(certificates: Path, tmp_path: Path) -> None:
    """It gets a CONNECT only; hosts in NO_PROXY are reached without it."""
    with serving(certificates) as servers:
        trust = {"SSL_CERT_FILE": str(certificates / "ca.pem"), "HTTPS_PROXY": servers.proxy}

        assert doctor(tmp_path, servers.url, **trust)["state"] == "ok"
        total = len(servers.requests)
        assert len(servers.proxied) == total > 0
        assert servers.proxied[0].startswith(b"CONNECT localhost:")
        assert KEY.encode() not in servers.proxied[0]

        assert doctor(tmp_path, servers.url, **trust, NO_PROXY="localhost")["state"] == "ok"
        assert (len(servers.proxied), len(servers.requests)) == (total, 2 * total)


def test_a_proxy_gets_its_user_and_password_and_the_api_does_not(certificates: Path, tmp_path: Path) -> None:
    """They are for the CONNECT alone, as the key is for what the tunnel carries."""
    with serving(certificates) as servers:
        found = doctor(
            tmp_path,
            servers.url,
            SSL_CERT_FILE=str(certificates / "ca.pem"),
            HTTPS_PROXY=servers.proxy.replace("http://", "http://ann:p%40ss@"),
        )
        assert found["state"] == "ok", found
        basic = b64encode(b"ann:p@ss")
        assert all(b"Proxy-Authorization: Basic " + basic in head for head in servers.proxied)
        assert not any(KEY.encode() in head for head in servers.proxied)
        assert not any(basic in head for head in servers.requests)


def test_an_unreachable_proxy_is_reported(certificates: Path, tmp_path: Path) -> None:
    """Nothing was sent, and the check names the proxy."""
    with serving(certificates) as servers:
        found = doctor(
            tmp_path,
            servers.url,
            SSL_CERT_FILE=str(certificates / "ca.pem"),
            HTTPS_PROXY="http://127.0.0.1:9",
        )
        assert found["state"] == "failed"
        assert found["told"] == "the proxy 127.0.0.1:9 cannot be reached (connection refused)"
        assert "HTTPS_PROXY" in found["fix"]
        assert servers.requests == []
