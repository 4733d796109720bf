"""Proxy settings: the value of a variable such as HTTPS_PROXY, read strictly; its password is never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from runner.rules.errors import UsageError

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_BROKEN_PLACE: Final = "has a port that is none, or a broken host"
_EXAMPLE: Final = "write it like http://proxy.example:3128"
_LEAVE_OUT: Final = "or name the API's host in NO_PROXY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that carries TLS connections to the API."""

    variable: str  # the environment variable that names it
    url: str  # scheme, host and port; it may be shown
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parse_proxy(variable: str, value: str) -> Proxy:
    """Return the proxy that a variable names; without a scheme it is http://. Raises UsageError."""
    word = value.strip()
    found = _SCHEME.match(word)
    scheme = found[1].lower() if found else "http"
    if scheme.startswith("socks"):
        what = f"{variable} names a SOCKS proxy ({scheme}://), and those are not supported"
        raise UsageError(what, fix=f"name an HTTP proxy, like http://proxy.example:3128, {_LEAVE_OUT}")
    if scheme not in {"http", "https"}:
        raise UsageError(f"{variable} has a scheme that is neither http nor https", fix=_EXAMPLE)
    fault = None
    if not word.isascii() or not word.isprintable() or {" ", "\\"} & set(word):
        fault = "has a character that no URL may have"
    else:
        try:
            return _parsed(variable, scheme, word if found else f"http://{word}")
        except ValueError as error:
            fault = str(error)
    raise UsageError(f"{variable} {fault}", fix=f"{_EXAMPLE}, {_LEAVE_OUT}")


def _parsed(variable: str, scheme: str, url: str) -> Proxy:
    """Return the proxy of a URL. Raises ValueError with the end of a sentence that shows nothing of it."""
    userinfo, _, place = url.partition("://")[2].rpartition("@")
    if {"/", "?", "#"} & set(userinfo):
        raise ValueError("has a / or ? or # in its user or password; write them as %2F, %3F and %23")
    host, port = _host_and_port(scheme, place)
    user, _, password = userinfo.partition(":")
    return Proxy(
        variable=variable,
        url=f"{scheme}://{host}:{port}",
        user=unquote(user),
        password=unquote(password),
    )


def _host_and_port(scheme: str, place: str) -> tuple[str, int]:
    """Return the host as a URL writes it, and the port. Raises ValueError as `_parsed` does."""
    place = place.rstrip("/")
    if {"?", "#", "/"} & set(place):
        raise ValueError("has more than a host and a port")
    try:
        parts = urlsplit(f"{scheme}://{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_BROKEN_PLACE) from None
    if not host or not _HOST.fullmatch(host):
        raise ValueError("names no host")
    if port == 0 or place.endswith(":"):
        raise ValueError(_BROKEN_PLACE)
    return f"[{host}]" if ":" in host else host, port or _DEFAULT_PORTS[scheme]
