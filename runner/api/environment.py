"""What the environment says about the way to the API: a proxy, and files of certificates.

The proxy is that of HTTPS_PROXY, else of ALL_PROXY, unless NO_PROXY names the host.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner import certificate_files
from runner.rules.servers.proxy import Proxy, parse_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_environment(base_url: str) -> Proxy | None:
    """Return the proxy to the API, if any. Raises UsageError where the API cannot be reached that way."""
    if base_url.startswith("https:"):
        certificate_files.check_variables(os.environ)
    return proxy_of(base_url)


def proxy_of(base_url: str) -> Proxy | None:
    """Return the proxy that the environment names for the API; None where there is none.

    Plain http uses none, since it would see the key. Raises UsageError for one that cannot be used.
    """
    base = urlsplit(base_url)
    named = _named(os.environ)
    if base.scheme != "https" or named is None or _is_left_out(f"{base.hostname}:{base.port or 443}"):
        return None
    return parse_proxy(*named)


def _named(env: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable in force and its value. Lower case goes first, and an empty one switches off."""
    for name in ("https_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if variable in env:
                if env[variable].strip():
                    return variable, env[variable]
                break
    return None


def _is_left_out(host_port: str) -> bool:
    from urllib.request import proxy_bypass  # slow to import; only a proxy needs it

    return bool(proxy_bypass(host_port))  # reads NO_PROXY
