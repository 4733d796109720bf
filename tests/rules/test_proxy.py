"""Proxy settings are read strictly, and their passwords are never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.api.environment import check_environment
from runner.rules.errors import UsageError
from runner.rules.servers.proxy import parse_proxy

API = "https://api.x.ai/v1"
NAMES = (
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "HTTP_PROXY",
    "http_proxy",
)


@pytest.mark.parametrize(
    ("value", "url", "user", "password"),
    [
        ("127.0.0.1:3128", "http://127.0.0.1:3128", "", ""),
        ("proxy.example", "http://proxy.example:80", "", ""),
        (" http://proxy.example:3128/ ", "http://proxy.example:3128", "", ""),
        ("HTTPS://proxy.example", "https://proxy.example:443", "", ""),
        ("http://[::1]:3128", "http://[::1]:3128", "", ""),
        ("http://ann:p%40ss@proxy:1", "http://proxy:1", "ann", "p@ss"),
        ("ann:p@ss@proxy:1", "http://proxy:1", "ann", "p@ss"),
    ],
)
def test_a_proxy_is_read(value: str, url: str, user: str, password: str) -> None:
    """Without a scheme it is http://, as curl takes it."""
    proxy = parse_proxy("HTTPS_PROXY", value)
    assert (proxy.url, proxy.user, proxy.password) == (url, user, password)
    assert not password or password not in repr(proxy)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://127.0.0.1:1080", "names a SOCKS proxy (socks5://)"),
        ("socks5h://ann:secret-word@h:1", "names a SOCKS proxy (socks5h://)"),
        ("SOCKS4://h:1", "names a SOCKS proxy"),
        ("ftp://h:1", "neither http nor https"),
        ("http://", "names no host"),
        ("http://:3128", "names no host"),
        (":3128", "names no host"),
        ("http://h:port", "a port that is none"),
        ("http://h:99999", "a port that is none"),
        ("http://h:0", "a port that is none"),
        ("http://h:", "a port that is none"),
        ("http:/h:3128", "more than a host"),
        ("http://h 3128", "a character"),
        ("http://h:31\u200b28", "a character"),
        ("http://h:3128/path", "more than a host"),
        ("http://h:3128?x=secret-word", "more than a host"),
        ("http://ann:secret-word/x@h:3128", "a / or ? or #"),
        ("http://ann:secret-word#x@h:3128", "a / or ? or #"),
        ("h1:1,h2:2", "a port that is none"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(value: str, words: str) -> None:
    """By the name of its variable, with a fix; nothing of a password is shown."""
    with pytest.raises(UsageError, match="all_proxy") as refused:
        parse_proxy("all_proxy", value)
    assert words in refused.value.what
    assert refused.value.fix
    assert "secret-word" not in refused.value.what + refused.value.fix


@given(st.text())
def test_any_value_is_a_proxy_or_a_usage_error(value: str) -> None:
    """Neither the proxy nor the error shows a password, wherever the value is broken."""
    try:
        shown = parse_proxy("HTTPS_PROXY", f"http://ann:pa55-canary{value}").url
    except UsageError as error:
        shown = error.what + error.fix
    assert "canary" not in shown


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "h:1"}, "HTTPS_PROXY"),
        ({"https_proxy": "h:1", "HTTPS_PROXY": "socks5://h"}, "https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": "h:1"}, None),
        ({"ALL_PROXY": "h:1"}, "ALL_PROXY"),
        ({"ALL_PROXY": "socks5://h", "HTTPS_PROXY": "h:1"}, "HTTPS_PROXY"),
        ({"all_proxy": "h:1", "NO_PROXY": "x.ai"}, None),
        ({"HTTPS_PROXY": "socks5://h", "NO_PROXY": "other.example, api.x.ai"}, None),
        ({"HTTPS_PROXY": "h:1", "no_proxy": "", "NO_PROXY": "*"}, "HTTPS_PROXY"),
        ({"HTTP_PROXY": "socks5://h"}, None),
    ],
)
def test_the_variable_in_force(
    env: dict[str, str], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY, else ALL_PROXY, lower case first; none where NO_PROXY names the host."""
    for name in (*NAMES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    proxy = check_environment(API)
    assert (proxy.variable if proxy else None) == variable


def test_plain_http_uses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see the key; so a wrong setting is no matter to the simulator."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://h:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    assert check_environment("http://127.0.0.1:8787/v1") is None
