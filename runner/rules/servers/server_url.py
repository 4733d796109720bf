"""URLs of databases, Redis servers and proxies: what of them may be shown, and what of them is secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, unquote_plus, urlsplit

from runner.rules.redact import HIDDEN, SECRET_LENGTH_MIN
from runner.rules.servers.postgres_url import OF_OTHER_CLIENTS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Parameters whose values are no secrets; of libpq (PostgreSQL's manual, 34.1.2), redis-py and others.
_OPEN_PARAMETERS: Final = frozenset(
    (
        *("host", "hostaddr", "port", "user", "dbname", "db", "virtual_host"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslnegotiation"),
        *(
            "ssl_ca_certs",
            "ssl_ca_path",
            "ssl_certfile",
            "ssl_keyfile",
            "ssl_cert_reqs",
            "ssl_check_hostname",
        ),
        *("connect_timeout", "application_name", "client_encoding", "target_session_attrs"),
        *("load_balance_hosts", "channel_binding", "gssencmode", "tcp_user_timeout"),
        *(SCHEMA, *OF_OTHER_CLIENTS),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    )
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_USER: Final = re.compile(r"[A-Za-z0-9._%+~-]+")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{0,5})?")
_HOSTS: Final = re.compile(rf"{_HOST.pattern}(?:,{_HOST.pattern})*")
_PLACE: Final = re.compile(r"[A-Za-z0-9._%+~/:,-]*")
_SEPARATORS: Final = frozenset("#;=&?@")
_QUERY: Final = re.compile(r"\?(?=[A-Za-z_][A-Za-z0-9_.-]*=)")


class _Parts(NamedTuple):
    """The parts of a URL. Whatever may belong to a password is counted to `userinfo`."""

    scheme: str
    userinfo: str | None
    hosts: str
    path: str
    parameters: tuple[tuple[str, str], ...]


def shown_url(url: str) -> str:
    """Return a URL as it may be shown: scheme, user, hosts, ports, path, and the names of parameters.

    Hidden are the password, the values of all parameters that are not known to be harmless, a Redis user
    without a password (often that is the password), and any part that is not as it should be.
    """
    parts = _split(url)
    if parts is None:
        return HIDDEN
    if parts.scheme.startswith("sqlite"):
        return url.partition("?")[0]
    if _is_cut_by_password(parts):
        return f"{parts.scheme}://{HIDDEN}"
    user = "" if parts.userinfo is None else f"{_shown_user(parts.scheme, parts.userinfo)}@"
    hosts = parts.hosts if _HOSTS.fullmatch(parts.hosts) else HIDDEN
    path = parts.path if _is_plain(parts.path) else f"/{HIDDEN}"
    query = "&".join(_shown_parameters(parts.parameters))
    return f"{parts.scheme}://{user}{hosts}{path}{f'?{query}' if query else ''}"


def secrets_in_url(url: str) -> tuple[str, ...]:
    """Return every text in a URL that may be a secret, as written and decoded; for `redact.redact`."""
    parts = _split(url)
    if parts is None:
        return (url,) if len(url) >= SECRET_LENGTH_MIN else ()
    if parts.scheme.startswith("sqlite"):
        return ()
    return tuple(dict.fromkeys(secret for secret in _secrets(parts) if len(secret) >= SECRET_LENGTH_MIN))


def secrets_in_proxy(value: str) -> tuple[str, ...]:
    """Return the same for the address of a proxy, which may lack its scheme."""
    word = value.strip()
    return secrets_in_url(word if "://" in word else f"http://{word}")


def redis_url_fault(url: str) -> str | None:
    """Return what is wrong with the URL of a Redis server, as the end of a sentence; None for a good one."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return "is no Redis URL (redis://host:6379/0, rediss://… or unix:///path)"
    try:
        split = urlsplit(url)
        host, _port = split.hostname, split.port
    except ValueError:
        return "has a port or host that is none; in a password, write / as %2F, # as %23 and ? as %3F"
    if split.fragment or "#" in url:
        return "has a # in it; in a password, write it as %23"
    if split.scheme != "unix" and not host:
        return "names no host"
    if split.scheme != "unix" and not re.fullmatch(r"(?:/[0-9]{0,9})?", split.path):
        return "has a path that is no number of a database, like /0"
    return _parameters_fault(split.query)


def _parameters_fault(query: str) -> str | None:
    for name in (pair.partition("=")[0] for pair in query.split("&") if pair):
        if name in {"password", "username"}:
            return f"has the {name} behind the question mark; write it as redis://user:password@host"
        if not re.fullmatch(r"ssl_[a-z_]+", name):
            return "has a parameter that is not known; only those of TLS may stand there, like ssl_ca_certs"
    return None


def _split(url: str) -> _Parts | None:
    """Return the parts of a URL, None for what is none. An unescaped password may hold any of `/?#@:`."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return None
    query_at = _QUERY.search(rest)
    head, query = (rest[: query_at.start()], rest[query_at.end() :]) if query_at else (rest, "")
    userinfo, at, place = head.rpartition("@")
    hosts, slash, path = place.partition("/")
    pairs = tuple(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return _Parts(scheme.lower(), userinfo if at else None, hosts, slash + path, pairs)


def _is_plain(text: str) -> bool:
    """Return whether a path or value is no more than that: no parameter hides in it, escaped or not."""
    return _PLACE.fullmatch(text) is not None and not _SEPARATORS & set(unquote(text))


def _shown_user(scheme: str, userinfo: str) -> str:
    user, colon, _password = userinfo.partition(":")
    is_open = _USER.fullmatch(user) and (colon or not scheme.startswith(("redis", "unix")))
    return f"{user if is_open or not user else HIDDEN}{f':{HIDDEN}' if colon else ''}"


def _is_cut_by_password(parts: _Parts) -> bool:
    """Return whether a password with `?` and `=` in it was taken for the parameters: an @ stands in them."""
    return parts.userinfo is None and any("@" in f"{name}{value}" for name, value in parts.parameters)


def _shown_parameters(parameters: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield parameters as they may be shown. After a secret one, what is unknown may be the rest of it."""
    after_secret = False
    for name, value in parameters:
        if name in _OPEN_PARAMETERS and _is_plain(value):
            yield f"{name}={value}"
        elif after_secret and name not in _OPEN_PARAMETERS:
            yield HIDDEN
        else:
            yield f"{name if _NAME.fullmatch(name) else HIDDEN}={HIDDEN}"
            after_secret = True


def _secrets(parts: _Parts) -> Iterator[str]:
    yield from _secrets_before_query(parts)
    yield from _secrets_in_parameters(parts.parameters, is_cut=_is_cut_by_password(parts))


def _secrets_before_query(parts: _Parts) -> Iterator[str]:
    """Yield the password, and a host or path that is none."""
    if parts.userinfo is not None:
        user, colon, password = parts.userinfo.partition(":")
        if colon or parts.scheme.startswith(("redis", "unix")):
            yield from _forms(password if colon else user)
    elif not _HOSTS.fullmatch(parts.hosts):  # "user:password" without a host
        yield from _forms(parts.hosts)
        yield from _forms(parts.hosts.partition(":")[2])
    if not _is_plain(parts.path):
        yield from _forms(parts.path)
        yield from _forms(parts.path.rpartition("=")[2])


def _secrets_in_parameters(parameters: Sequence[tuple[str, str]], *, is_cut: bool) -> Iterator[str]:
    """Yield values that are not known to be harmless, and names that may be the rest of one.

    `is_cut`: the parameters themselves are the rest of a password.
    """
    after_secret = is_cut
    for place, (name, value) in enumerate(parameters):
        if not is_cut and name in _OPEN_PARAMETERS and _is_plain(value):
            continue
        yield from _forms(value)
        if after_secret:
            yield from _forms(name)
        else:
            yield from _forms("&".join((value, *_joined(parameters[place + 1 :]))))
        after_secret = True


def _joined(parameters: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield parameters as written: an unescaped & cuts a password, and they may be its rest."""
    return (f"{name}={value}" if value else name for name, value in parameters)


def _forms(secret: str) -> Iterable[str]:
    """Return a secret as written, decoded, and in the pieces that a driver may take it for."""
    return (secret, unquote(secret), unquote_plus(secret), *re.split(r"[@/:?#&;]", secret))
