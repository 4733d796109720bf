"""Validation of the API's base URL: where the API key may be sent.

https is accepted for any host; plain http only for this machine or for the hosts in RUNNER_ALLOW_HTTP_HOST.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from runner.rules.errors import UsageError

_FIX = "write it like https://api.x.ai/v1"


def validate_base_url(url: str, http_hosts: tuple[str, ...]) -> str:
    """Return the base URL without trailing slashes; raise UsageError with a fix if it is not acceptable."""
    scheme, host = _scheme_and_host(url)
    if {"@", "?", "#"} & set(url):
        raise UsageError("XAI_BASE_URL holds a user name, a question mark or a hash sign", fix=_FIX)
    if scheme == "http" and not is_loopback(host) and host not in http_hosts:
        raise UsageError(
            f"XAI_BASE_URL would send the API key to {host} unencrypted",
            fix=f"write https://, or set RUNNER_ALLOW_HTTP_HOST={host} if nobody can listen in",
        )
    return url.rstrip("/")


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Return `http` or `https` and the host; raise UsageError if the URL has not both."""
    if not url.isascii() or not url.isprintable() or {" ", "\\"} & set(url):
        raise UsageError("XAI_BASE_URL has a character that no URL may have", fix=_FIX)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or parts.scheme not in {"http", "https"}:
        raise UsageError("XAI_BASE_URL is no http or https URL with a host", fix=_FIX)
    return parts.scheme, host


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: `localhost` or a loopback address. No name is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
