"""The door to the xAI API: one HTTP session of a process. It sends once, reads whole, says how far it got.

It knows nothing of jobs; a lane (deferred.py) knows the paths, rules/reply.py what a reply means.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, proxy_bypass

from runner import __version__
from runner.api import trouble
from runner.api.failed import Failed
from runner.api.origin import Origin
from runner.api.wire import TROUBLES, Wire
from runner.rules import clock
from runner.rules.advice import Advice
from runner.rules.redact import one_line, redact
from runner.rules.reply import Fault, Reply
from runner.rules.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.settings import Settings

__all__ = ["XAI", "Failed"]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
DETAIL_LENGTH_MAX: Final = 300
_CLOCK_LOOK_S: Final = 30.0
_POSTED: Final = {"Content-Type": "application/json"}


class XAI:
    """Open it on the loop that will use it; `close` it there. Safe for any number of tasks at once.

    A reply of any status is a `Reply`, redirects among them: none is followed. Without a whole reply it
    raises `Failed`: NOT_SENT while nothing can have left, UNKNOWN until the reply's headers are in, CUT
    within the body, TOO_LARGE beyond `body_bytes_max` after decompression (nothing of the body is kept).
    Nothing is sent twice.
    """

    def __init__(self, settings: Settings, *, connections: int, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._origin = Origin(settings.base_url, settings.allow_http_hosts)
        self._key = settings.api_key
        self._body_bytes_max = body_bytes_max
        self.clock_skew_s = 0.0  # how far this machine's clock is ahead of the API's, as last seen
        self._clock_next_s = 0.0
        self._headers = Secret(_lines(_always(self._key)))
        self._wire = Wire(
            self._origin.base,
            proxy=_proxy(self._origin),
            connections=connections,
            connect_timeout_s=settings.connect_timeout_s,
            timeout_s=settings.connect_timeout_s + settings.read_timeout_s,
        )

    def __repr__(self) -> str:
        return f"XAI({self._origin.base})"

    async def close(self) -> None:
        """Close every connection."""
        await self._wire.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a JSON body once. Raises Failed."""
        return await self._exchange("POST", path, body, {**_POSTED, **(headers or {})})

    async def get(self, path: str) -> Reply:
        """Ask once. Raises Failed."""
        return await self._exchange("GET", path, None, {})

    def silence(self) -> Failed:
        """Return what to say when the caller has waited long enough for a free question."""
        return Failed(Fault.UNKNOWN, trouble.advice(TimeoutError(), self._origin.place))

    async def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        progress = _Progress()
        try:
            found = await self._wire.exchange(
                method,
                self._origin.target(path),
                self._headers.reveal() + _lines(headers),
                body,
                body_bytes_max=self._body_bytes_max,
                sending=progress.sending,
                replying=progress.replying,
            )
        except TROUBLES as error:
            failed = Failed(progress.phase, self._advice(error))
        else:
            if found.body is not None:
                self._look_at_clock(found.headers.get("date"))
                return Reply(status=found.status, headers=found.headers, body=found.body)
            failed = Failed(Fault.TOO_LARGE, Advice(f"the reply is longer than {self._body_bytes_max} bytes"))
        raise failed  # out here, so that it drags no exception along that holds the request's headers

    def _advice(self, error: Exception) -> Advice:
        secrets = [self._key.reveal()] if self._key is not None else []
        told = trouble.advice(error, self._origin.place)
        return Advice(one_line(redact(told.what, secrets), DETAIL_LENGTH_MAX), told.fix)

    def _look_at_clock(self, date: str | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._clock_next_s:
            self._clock_next_s = now_s + _CLOCK_LOOK_S
            self.clock_skew_s = clock.skew_s(date, time.time())


def _always(key: Secret | None) -> dict[str, str]:
    """Return the headers of every request."""
    headers = {"User-Agent": f"runner/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    return headers | ({"Authorization": f"Bearer {key.reveal()}"} if key is not None else {})


def _lines(headers: Mapping[str, str]) -> str:
    """Write headers. Raises ValueError for one that would end its line."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any(letter in line for line in lines for letter in "\r\n\0"):
        raise ValueError("a header holds a line end")
    return "".join(f"{line}\r\n" for line in lines)


class _Progress:
    """How far one request got."""

    __slots__ = ("phase",)

    def __init__(self) -> None:
        self.phase = Fault.NOT_SENT

    def sending(self) -> None:
        self.phase = Fault.UNKNOWN  # from here on it may have arrived

    def replying(self) -> None:
        self.phase = Fault.CUT


def _proxy(origin: Origin) -> str | None:
    """Find the proxy that the environment names for the API.

    It may carry TLS; of a plain request it would see the key.
    """
    if not origin.encrypted or proxy_bypass(origin.place):
        return None
    return getproxies().get("https")
