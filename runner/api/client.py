"""HTTP client of the xAI API. It sends a request once and returns the whole reply, or how far it got.

Paths are in deferred.py, account.py and catalogue.py; rules/replies/reply.py classifies replies.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from runner import __version__
from runner.api import network_errors
from runner.api.environment import check_environment
from runner.api.origin import Origin
from runner.api.request_failed import RequestFailed
from runner.api.transport import ExchangeError, Transport
from runner.rules.advice import Advice
from runner.rules.redact import one_line, redact
from runner.rules.replies import clock_skew
from runner.rules.replies.reply import Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.secret import Secret
    from runner.settings import Settings

__all__ = ["RequestFailed", "XAIClient"]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
DETAIL_LENGTH_MAX: Final = 300
_CLOCK_CHECK_S: Final = 30.0
_JSON_HEADERS: Final = {"Content-Type": "application/json"}


class XAIClient:
    """A client for any number of tasks of one event loop. No request is sent twice.

    A reply of any status is a `Reply`; redirects are not followed. Without a whole reply it raises
    `RequestFailed` with a fault: NOT_SENT (no byte can have left), UNKNOWN (before the reply's headers), CUT
    (within its body), or TOO_LARGE (body above `body_bytes_max` after decompression; it is dropped).
    """

    def __init__(self, settings: Settings, *, connections: int, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._origin = Origin(settings.base_url, settings.allow_http_hosts)
        self._settings = settings
        self._body_bytes_max = body_bytes_max
        self.clock_skew_s = 0.0  # how far this machine's clock was last ahead of the API's
        self._clock_check_at_s = 0.0
        self._proxy = check_environment(settings.base_url)
        self._transport = Transport(
            _common_headers(settings.api_key),
            proxy=self._proxy,
            connections=connections,
            connect_timeout_s=settings.connect_timeout_s,
            timeout_s=settings.connect_timeout_s + settings.read_timeout_s,
        )

    def __repr__(self) -> str:
        return f"XAIClient({self._origin.base})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what a reply or an error may repeat, and nothing may show."""
        return self._settings.secrets

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """POST a JSON body. Raises RequestFailed."""
        return await self._exchange("POST", path, body, {**_JSON_HEADERS, **(headers or {})})

    async def get(self, path: str) -> Reply:
        """GET a path. Raises RequestFailed."""
        return await self._exchange("GET", path, None, {})

    def timed_out(self) -> RequestFailed:
        """Return the error for a caller that stops waiting for a reply."""
        return RequestFailed(Fault.UNKNOWN, network_errors.advice(TimeoutError(), self._origin.host_port))

    async def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        try:
            raw = await self._transport.exchange(
                method, self._origin.url(path), headers, body, body_bytes_max=self._body_bytes_max
            )
        except ExchangeError as error:
            failed = RequestFailed(error.fault, self._advice(error.cause, error.fault))
        else:
            if raw.body is not None:
                self._check_clock(raw.headers.get("date"))
                return Reply(status=raw.status, headers=raw.headers, body=raw.body)
            failed = RequestFailed(
                Fault.TOO_LARGE, Advice(f"the reply is longer than {self._body_bytes_max} bytes")
            )
        raise failed  # outside of `except`, so that its context has no exception with the request's headers

    def _advice(self, error: Exception, fault: Fault) -> Advice:
        connecting_by = self._proxy if fault is Fault.NOT_SENT else None
        advice = network_errors.advice(error, self._origin.host_port, connecting_by)
        return Advice(one_line(redact(advice.what, self.secrets), DETAIL_LENGTH_MAX), advice.fix)

    def _check_clock(self, date: str | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._clock_check_at_s:
            self._clock_check_at_s = now_s + _CLOCK_CHECK_S
            self.clock_skew_s = clock_skew.skew_s(date, time.time())


def _common_headers(key: Secret | None) -> dict[str, str]:
    headers = {"User-Agent": f"runner/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    return headers | ({"Authorization": f"Bearer {key.reveal()}"} if key is not None else {})
