"""URLs of servers are shown without secrets, and all their secrets are known."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.redact import redact
from runner.rules.servers.server_url import redis_url_fault, secrets_in_proxy, secrets_in_url, shown_url

SCHEMES: Final = st.sampled_from(["postgresql", "postgresql+psycopg", "postgres", "redis", "rediss", "http"])
SECRETS: Final = st.text(
    st.characters(codec="utf-8", exclude_characters="*", exclude_categories=["Cc", "Cs"]),
    min_size=6,
    max_size=24,
).filter(
    lambda text: text == text.strip() and text not in "postgresql+psycopg://:***@/?=&password=redisshttp"
)
WRITTEN: Final = st.sampled_from([str, quote, lambda text: quote(text, safe=""), quote_plus])
PLACES: Final = (
    "{scheme}://ann:{secret}@db.example:5432/app",
    "{scheme}://:{secret}@db.example/0",
    "{scheme}://ann:{secret}@[::1]:5432/app?sslmode=require",
    "{scheme}://ann:{secret}@h1:1,h2:2/app",
    "{scheme}:///app?host=/run/pg&user=ann&password={secret}",
    "{scheme}://db.example/app?sslpassword={secret}&sslmode=require",
    "{scheme}://db.example/app?whatever={secret}",
    "{scheme}://ann:{secret}@/app?host=/run/pg",
    "{scheme}://ann:{secret}",
)


@given(SCHEMES, SECRETS, WRITTEN, st.sampled_from(PLACES))
def test_a_secret_in_any_place_is_never_shown(scheme: str, secret: str, written: object, place: str) -> None:
    """As it is, percent-encoded, with an @ or / in it that should have been encoded."""
    text = written(secret)  # type: ignore[operator]
    shown = shown_url(place.format(scheme=scheme, secret=text))
    assert secret not in shown
    assert text not in shown


@given(SCHEMES, SECRETS, st.sampled_from(PLACES))
def test_what_a_driver_repeats_is_hidden(scheme: str, secret: str, place: str) -> None:
    """Drivers repeat the decoded password, or the whole URL."""
    url = place.format(scheme=scheme, secret=quote(secret, safe=""))
    secrets = secrets_in_url(url)
    assert secret not in redact(f'connection to server failed: password "{secret}" for {url}', secrets)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgresql:///app?user=ann&password=hunter&twofold", ("hunter&twofold", "hunter", "twofold")),
        ("postgresql:///app?password=hunter&twofold=three4", ("hunter&twofold=three4", "twofold", "three4")),
        ("postgresql://ann:hunter;twofold@db/app", ("hunter;twofold", "hunter", "twofold")),
        ("postgresql://ann:hunter?user=twofold&three4@db/app", ("hunter", "twofold")),
    ],
)
def test_every_piece_of_a_password_is_known(url: str, parts: tuple[str, ...]) -> None:
    """Where a driver cuts it at a letter that should have been encoded."""
    shown = redact(f"it was {' and '.join(parts)}", secrets_in_url(url))
    assert shown == "it was " + " and ".join(["***"] * len(parts))


@given(st.text())
def test_any_text_has_a_shown_form(text: str) -> None:
    """It never raises; what is no URL is hidden whole."""
    shown = shown_url(text)
    assert "://" in shown or shown == "***"
    secrets_in_url(text)
    redis_url_fault(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@db:5432/app", "postgresql://ann:***@db:5432/app"),
        ("postgresql://db/my%20app", "postgresql://db/my%20app"),
        ("postgresql://db/app#password=hunter2", "postgresql://db/***"),
        ("postgresql://db/app%23password%3Dhunter2", "postgresql://db/***"),
        ("postgresql://db/app?user=ann;password=hunter2", "postgresql://db/app?user=***"),
        ("postgresql://db/app?user=ann%3Bpassword%3Dhunter2", "postgresql://db/app?user=***"),
        ("postgresql://ann@/app?host=/run/pg", "postgresql://ann@/app?host=/run/pg"),
        (
            "postgresql:///app1?host=/run/pg&user=app&password=SECRET",
            "postgresql:///app1?host=/run/pg&user=app&password=***",
        ),
        ("postgresql://db/app?sslrootcert=/etc/ca.pem", "postgresql://db/app?sslrootcert=/etc/ca.pem"),
        ("postgresql://ann:p@ss@db/app", "postgresql://ann:***@db/app"),
        ("postgresql://ann:p/ss@db/app", "postgresql://ann:***@db/app"),
        ("postgresql://ann:p?ss#@db/app", "postgresql://ann:***@db/app"),
        ("redis://:pw@cache:6379/0", "redis://:***@cache:6379/0"),
        ("redis://token-without-colon@cache/0", "redis://***@cache/0"),
        ("rediss://u:pw@cache/0?ssl_ca_certs=/ca.pem", "rediss://u:***@cache/0?ssl_ca_certs=/ca.pem"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("sqlite:////home/ann/my folder/ä.db", "sqlite:////home/ann/my folder/ä.db"),
        ("hunter2", "***"),
        ("postgresql://ann:pw", "postgresql://***"),
        ("postgresql://ann:p&a=ss@db/app", "postgresql://ann:***@db/app"),
        ("postgresql://ann:p;ss@db/app", "postgresql://ann:***@db/app"),
        ("postgresql://ann:p?user=hunter&more@db/app", "postgresql://***"),
        ("postgresql:///app?user=ann&password=p&ss", "postgresql:///app?user=ann&password=***&***"),
        (
            "postgresql:///app?password=p&hunter=2&sslmode=require",
            "postgresql:///app?password=***&***&sslmode=require",
        ),
        ("postgresql:///app?password=p#ss;x", "postgresql:///app?password=***"),
        ("postgresql:///app;password=hunter2", "postgresql:///***"),
        ("postgresql://db/app?pgbouncer=true&a=b", "postgresql://db/app?pgbouncer=true&a=***"),
    ],
)
def test_the_rest_is_shown(url: str, shown: str) -> None:
    """Scheme, user, host, port, database, and parameters: enough to find a mistake."""
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis://cache:6379/0", None),
        ("rediss://:p@ss@cache/1?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required", None),
        ("unix:///run/valkey.sock", None),
        ("redis://[::1]:6379", None),
        ("http://cache", "no Redis URL"),
        ("redis://", "names no host"),
        ("redis://cache:port/0", "port or host"),
        ("redis://:p/ss@cache/0", "write / as %2F"),
        ("redis://:p#ss@cache/0", "port or host"),
        ("redis://u:1#ss@cache/0", "has a # in it"),
        ("redis://cache/runner", "no number of a database"),
        ("redis://cache/0?password=pw", "behind the question mark"),
        ("redis://cache/0?timeout=3", "a parameter that is not known"),
    ],
)
def test_a_redis_url_is_checked_before_it_is_used(url: str, fault: str | None) -> None:
    """redis-py and Celery read them differently, and fail with a traceback for what they do not know."""
    found = redis_url_fault(url)
    assert (found is None) == (fault is None)
    assert fault is None or fault in str(found)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("sqlite:////home/ann/canary.db", set()),
        ("no-url-at-all", {"no-url-at-all"}),
        ("abc", set()),
        ("postgresql://ann@db/app", set()),
        ("redis://canary-pass@cache", {"canary-pass"}),
        ("postgresql://db/app;password=canary-pass", {"/app;password=canary-pass", "canary-pass"}),
        ("postgresql://ann:canary-pass", {"ann:canary-pass", "canary-pass"}),
        ("postgresql://ann:pass?canary-name=more-of-it@db/app", {"canary-name", "more-of-it"}),
    ],
)
def test_the_secrets_of_a_url(url: str, secrets: set[str]) -> None:
    """A user alone is one only where servers take it for the password; a file's path is none."""
    found = set(secrets_in_url(url))

    assert secrets <= found
    assert bool(found) == bool(secrets)
    assert "ann" not in found


@pytest.mark.parametrize("url", ["ann:canary-pass@proxy:3128", " http://ann:canary-pass@proxy:3128\n"])
def test_a_proxy_may_lack_its_scheme(url: str) -> None:
    """As HTTPS_PROXY often does."""
    assert "canary-pass" in secrets_in_proxy(url)
