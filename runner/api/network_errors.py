"""Network errors as sentences for users: what happened and how to fix it."""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp

from runner.rules.advice import Advice

if TYPE_CHECKING:
    from runner.rules.servers.proxy import Proxy

_ADDRESS_FIX: Final = "check XAI_BASE_URL, and that a server listens there"
_NETWORK_FIX: Final = "check the network; if a proxy leads out of it, name that in HTTPS_PROXY"
_TLS_FIX: Final = "check XAI_BASE_URL: https where the server speaks it, and its port"
_AUTHORITY_FIX: Final = "if a server or proxy of yours is there, name its authority's file in SSL_CERT_FILE"


def advice(error: Exception, host_port: str, proxy: Proxy | None = None) -> Advice:
    """Return what an exception of aiohttp means. `host_port`: the API's host and port.

    `proxy`: what the connection was being opened through; None if none, or when the connection was open.
    """
    if proxy is not None:
        found = _of_proxy(error, proxy)
        if found is not None:
            return found
    return _of_connecting(error, host_port) or _of_exchange(error, host_port)


def _of_proxy(error: Exception, proxy: Proxy) -> Advice | None:
    """Return what is wrong with a proxy; None for an error of the API behind it."""
    at = proxy.url.partition("://")[2]
    match error:
        case aiohttp.ClientProxyConnectionError():
            what = f"the proxy {at} cannot be reached ({_reason(error.os_error)})"
        case aiohttp.ClientHttpProxyError(status=407):
            what = f"the proxy {at} asks for a user and a password, or does not accept those it got (407)"
        case aiohttp.ClientHttpProxyError():
            status = " ".join(f"{error.status} {error.message}".split())
            what = f"the proxy does not let requests through ({status})"
        case aiohttp.ClientConnectorDNSError():
            what = f"the name of the proxy {at} is not found"
        case aiohttp.ConnectionTimeoutError():
            what = f"the proxy {at} opens no connection in time"
        case aiohttp.ClientConnectorError():  # after its reply: TLS with the API through it
            return None
        case _:
            what = f"the proxy {at} does not reply as an HTTP proxy does"
    return Advice(what, f"correct {proxy.variable}, or name the API's host in NO_PROXY")


def _of_connecting(error: Exception, host_port: str) -> Advice | None:
    """Return why nothing was sent; None for an error of an open connection."""
    found: Advice | None = None
    match error:
        case aiohttp.ClientConnectorDNSError():
            found = Advice(f"the name {error.host} is not found", "check XAI_BASE_URL, and the network's DNS")
        case aiohttp.ClientConnectorCertificateError():
            found = _of_certificate(error.certificate_error, host_port)
        case aiohttp.ClientConnectorSSLError():
            why = _reason(error.os_error)
            found = Advice(f"{host_port} does not speak TLS as it should ({why})", _TLS_FIX)
        case aiohttp.ClientConnectorError():
            fix = _ADDRESS_FIX if error.os_error.errno == errno.ECONNREFUSED else _NETWORK_FIX
            found = Advice(f"cannot connect to {host_port} ({_reason(error.os_error)})", fix)
        case aiohttp.ConnectionTimeoutError():
            found = Advice(f"cannot connect to {host_port} (it does not answer in time)", _NETWORK_FIX)
    return found


def _of_exchange(error: Exception, host_port: str) -> Advice:
    match error:
        case TimeoutError():  # aiohttp's own timeouts among them
            return Advice(f"{host_port} did not answer in time")
        case aiohttp.ClientPayloadError():
            return Advice(f"the reply of {host_port} broke off before its end")
        case aiohttp.ClientConnectionError() | ConnectionError():
            return Advice(f"{host_port} broke the connection off before it had answered")
    return Advice(f"{host_port} gave no usable reply ({type(error).__name__}: {error})")


def _of_certificate(error: Exception, host_port: str) -> Advice:
    why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
    fix = _AUTHORITY_FIX
    if "expired" in why or "not yet valid" in why:
        fix = "look whether this machine's clock is right; if it is, the server needs a new certificate"
    return Advice(f"the certificate of {host_port} is not accepted ({why})", fix)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no reason told").replace("_", " ").lower()
    if error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__).lower()
