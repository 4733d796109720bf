"""The door to the xAI API: one HTTP session of a process. It sends once, reads whole, says how far it got.

It knows nothing of jobs; a lane (deferred.py) knows the paths, rules/reply.py what a reply means.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from runner import __version__
from runner.api import trouble
from runner.api.failed import Failed
from runner.api.origin import Origin
from runner.rules import clock
from runner.rules.advice import Advice
from runner.rules.redact import one_line, redact
from runner.rules.reply import Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.settings import Settings

__all__ = ["XAI", "Failed"]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
DETAIL_LENGTH_MAX: Final = 300
_PIECE_BYTES: Final = 256 * 1024
_CLOCK_LOOK_S: Final = 30.0


class XAI:
    """Open it on the loop that will use it; `close` it there. Safe for any number of tasks at once.

    A reply of any status is a `Reply`, redirects among them: none is followed. Without a whole reply it
    raises `Failed`: NOT_SENT while nothing can have left, UNKNOWN until the reply's headers are in, CUT
    within the body, TOO_LARGE beyond `body_bytes_max` after decompression (nothing of the body is kept).
    Nothing is sent twice: what aiohttp repeats by itself is switched off.
    """

    def __init__(self, settings: Settings, *, connections: int, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._origin = Origin(settings.base_url, settings.allow_http_hosts)
        self._key = settings.api_key
        self._body_bytes_max = body_bytes_max
        self.clock_skew_s = 0.0  # how far this machine's clock is ahead of the API's, as last seen
        self._clock_next_s = 0.0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, limit_per_host=connections),
            timeout=_timeout(settings.connect_timeout_s, settings.read_timeout_s),
            headers={"User-Agent": f"runner/{__version__}", "Accept-Encoding": "gzip, deflate"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_watch_sending()],
            # A proxy of the environment may carry TLS; it must never see the key of a plain request.
            trust_env=self._origin.encrypted,
            raise_for_status=False,
        )
        # aiohttp repeats a GET on a reused connection that breaks, and a result can be fetched only once.
        # It has no public switch; a test counts the requests.
        self._session._retry_connection = False  # noqa: SLF001

    def __repr__(self) -> str:
        return f"XAI({self._origin.url('/')})"

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a JSON body once. Raises Failed."""
        return await self._exchange(
            "POST", path, body, {"Content-Type": "application/json", **(headers or {})}
        )

    async def get(self, path: str) -> Reply:
        """Ask once. Raises Failed."""
        return await self._exchange("GET", path, None, {})

    def silence(self) -> Failed:
        """Return what to say when the caller has waited long enough for a free question."""
        return Failed(Fault.UNKNOWN, trouble.advice(TimeoutError(), self._origin.place))

    async def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        progress = SimpleNamespace(phase=Fault.NOT_SENT)
        try:
            async with self._session.request(
                method,
                self._origin.url(path),
                data=body,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=progress,
            ) as response:
                progress.phase = Fault.CUT
                whole = await self._read(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            failed = Failed(progress.phase, self._advice(error))
        else:
            if whole is not None:
                headers = _lower(response.headers)
                self._look_at_clock(headers.get("date"))
                return Reply(status=response.status, headers=headers, body=whole)
            failed = Failed(Fault.TOO_LARGE, Advice(f"the reply is longer than {self._body_bytes_max} bytes"))
        raise failed  # out here, so that it drags no exception along that holds the request's headers

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Read the body piece by piece; None when it is too long, and the connection is given up."""
        body = bytearray()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            if len(body) + len(piece) > self._body_bytes_max:
                response.close()
                return None
            body += piece
        return bytes(body)

    def _advice(self, error: Exception) -> Advice:
        secrets = [self._key.reveal()] if self._key is not None else []
        told = trouble.advice(error, self._origin.place)
        return Advice(one_line(redact(told.what, secrets), DETAIL_LENGTH_MAX), told.fix)

    def _look_at_clock(self, date: str | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._clock_next_s:
            self._clock_next_s = now_s + _CLOCK_LOOK_S
            self.clock_skew_s = clock.skew_s(date, time.time())


def _timeout(connect_s: float, read_s: float) -> aiohttp.ClientTimeout:
    """Bound each phase; `total` also ends a reply that drips in one byte at a time."""
    return aiohttp.ClientTimeout(
        total=connect_s + read_s, connect=connect_s, sock_connect=connect_s, sock_read=read_s
    )


def _watch_sending() -> aiohttp.TraceConfig:
    """Note the moment before the first byte of a request leaves: from there on it may have arrived."""

    async def leaving(_session: aiohttp.ClientSession, ctx: SimpleNamespace, _params: Any) -> None:
        ctx.trace_request_ctx.phase = Fault.UNKNOWN

    trace: aiohttp.TraceConfig = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(leaving)
    return trace


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
