"""Files of certificates that variables and URLs name. OpenSSL ignores what it cannot read."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Parameters of URLs, for redis-py and for libpq: a file of authorities, or another file in PEM form.
_AUTHORITIES: Final = frozenset({"ssl_ca_certs", "sslrootcert"})
_OTHER_FILES: Final = frozenset({"ssl_certfile", "ssl_keyfile", "sslcert", "sslkey", "sslcrl"})
_SYSTEM: Final = "system"  # libpq: the authorities of the system
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # the names that OpenSSL looks for in a folder


def check_variables(env: Mapping[str, str]) -> None:
    """Raise UsageError where SSL_CERT_FILE or SSL_CERT_DIR names no certificates. OpenSSL reads both."""
    if env.get("SSL_CERT_FILE"):
        _check_authorities("SSL_CERT_FILE", Path(env["SSL_CERT_FILE"]))
    if env.get("SSL_CERT_DIR"):
        faults = [_folder_fault(Path(name)) for name in env["SSL_CERT_DIR"].split(os.pathsep)]
        if all(faults):
            raise _error(
                "SSL_CERT_DIR", env["SSL_CERT_DIR"], faults[0] or "", "name a folder of certificates"
            )


def check_url(variable: str, url: str) -> None:
    """Raise UsageError where a parameter of a URL names a file of certificates that cannot be used."""
    if "ssl" not in url:
        return
    if url.startswith("rediss:"):
        check_variables(os.environ)
    for name, value in parse_qsl(urlsplit(url).query):
        if name in _AUTHORITIES and value != _SYSTEM:
            _check_authorities(f"{name} in {variable}", Path(value))
        elif name in _OTHER_FILES:
            _check_file(f"{name} in {variable}", Path(value))


def _check_authorities(variable: str, path: Path) -> None:
    _check_file(variable, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        raise _error(variable, path, "holds no certificate in PEM form") from None


def _check_file(variable: str, path: Path) -> None:
    if path.is_dir():
        raise _error(variable, path, "is a folder, and a file is needed")
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except FileNotFoundError:
        raise _error(variable, path, "is not there") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _error(variable, path, f"cannot be read ({(reason or 'no path').lower()})") from None
    if is_empty:
        raise _error(variable, path, "is empty")


def _folder_fault(folder: Path) -> str | None:
    """Return what is wrong with a folder of certificates, as the end of a sentence; None for a good one."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return "is not there"
    except NotADirectoryError:
        return "is a file, and a folder is needed"
    except OSError as error:
        return f"cannot be read ({(error.strerror or 'no reason').lower()})"
    if not any(_HASHED.fullmatch(name) for name in names):
        return "holds no certificate under its hash, as `openssl rehash` names them"
    return None


def _error(
    variable: str, path: object, fault: str, fix: str = "name a file of certificates (PEM)"
) -> UsageError:
    return UsageError(
        f"what {variable} names {fault}: {path}", fix=f"{fix}, or leave {variable.split(maxsplit=1)[0]} out"
    )
