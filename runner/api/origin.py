"""Scheme, host and port of the configured API: the only place that the key is sent to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from yarl import URL

from runner.rules.errors import Bug, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection


class Origin:
    """The checked base URL. Raises UsageError for one that is not safe to send the key to.

    `allow_http_hosts`: hosts beside this machine that may be called without TLS. `host_port`: host and port.
    """

    def __init__(self, base_url: str, allow_http_hosts: Collection[str] = ()) -> None:
        base = _parsed(base_url)
        if base.scheme not in {"https", "http"} or not base.raw_host:
            raise UsageError("XAI_BASE_URL is no http(s) address", fix="set it like https://api.x.ai/v1")
        if base.user is not None or base.password is not None or base.raw_query_string or base.raw_fragment:
            raise UsageError(
                "XAI_BASE_URL carries a user, a query or a fragment",
                fix="give only scheme, host, port and path",
            )
        if base.scheme == "http" and not (is_loopback(base.raw_host) or base.raw_host in allow_http_hosts):
            raise UsageError(
                f"the key would travel unencrypted to {base.raw_host}",
                fix="use https, or name the host in RUNNER_ALLOW_HTTP_HOST",
            )
        self.base = base
        self._path = base.raw_path.rstrip("/")
        self.host_port = f"{base.raw_host}:{base.port}"

    def url(self, path: str) -> URL:
        """Return the URL for a quoted path. Raises Bug for a path that does not start with `/`."""
        if not path.startswith("/"):
            raise Bug(f"The path {path!r} leads away from the API.")
        return self.base.with_path(self._path + path, encoded=True)  # as quoted: `%2E%2E` stays one segment


def is_loopback(host: str) -> bool:
    """Return whether a host name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parsed(base_url: str) -> URL:
    try:
        return URL(base_url)
    except ValueError:
        raise UsageError("XAI_BASE_URL is no address", fix="set it like https://api.x.ai/v1") from None
