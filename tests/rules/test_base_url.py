"""The base URL says where the API key is sent: encrypted, or to a machine that the user named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.errors import UsageError
from runner.rules.servers.base_url import is_loopback, validate_base_url

CHARACTER = "a character that no URL may have"
FORM = "no http or https URL with a host"
EXTRA = "a user name, a question mark or a hash sign"


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://api.x.ai/v1", "https://api.x.ai/v1"),
        ("https://api.x.ai/v1//", "https://api.x.ai/v1"),
        ("HTTPS://gateway.example:8443", "HTTPS://gateway.example:8443"),
        ("http://localhost:8787/v1", "http://localhost:8787/v1"),
        ("http://127.8.0.1/v1", "http://127.8.0.1/v1"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("http://inside.example/v1", "http://inside.example/v1"),  # the host that is allowed below
    ],
)
def test_a_good_url_loses_its_last_slashes(url: str, used: str) -> None:
    """Paths are put behind it."""
    assert validate_base_url(url, ("inside.example",)) == used


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", FORM),
        ("api.x.ai/v1", FORM),
        ("ftp://api.x.ai", FORM),
        ("https://", FORM),
        ("https://:443/v1", FORM),
        ("https://api.x.ai:0/v1", FORM),
        ("https://api.x.ai:99999/v1", FORM),
        ("https://api.x.ai:port/v1", FORM),
        ("https://[::1/v1", FORM),
        ("https://api.x.ai/v1 ", CHARACTER),
        ("https://api.x.ai\\@evil.example", CHARACTER),
        ("https://\u0430pi.x.ai/v1", CHARACTER),  # a Cyrillic letter
        ("https://api.x.ai/v1\n", CHARACTER),
        ("https://key@api.x.ai/v1", EXTRA),
        ("https://api.x.ai/v1?key=1", EXTRA),
        ("https://api.x.ai/v1#", EXTRA),
    ],
)
def test_a_bad_url_is_refused_with_the_form_to_write(url: str, fault: str) -> None:
    """The sentence does not show the URL: a key may stand in it."""
    with pytest.raises(UsageError) as refused:
        validate_base_url(url, ())

    assert fault in refused.value.what
    assert refused.value.fix == "write it like https://api.x.ai/v1"


@pytest.mark.parametrize(
    "host", ["api.x.ai", "128.0.0.1", "localhost.example", "0.0.0.0", "inside.example.org"]
)
def test_the_key_is_never_sent_unencrypted_to_another_machine(host: str) -> None:
    """Unless the user names exactly this host."""
    with pytest.raises(UsageError, match=f"would send the API key to {host} unencrypted") as refused:
        validate_base_url(f"http://{host}/v1", ("inside.example",))

    assert f"RUNNER_ALLOW_HTTP_HOST={host}" in refused.value.fix
    assert validate_base_url(f"http://{host}/v1", (host,)) == f"http://{host}/v1"


@given(
    st.text(max_size=40)
    | st.sampled_from(["http://", "https://"]).flatmap(
        lambda start: st.text(max_size=40).map(lambda rest: start + rest)
    )
)
def test_any_text_is_a_safe_url_or_refused(url: str) -> None:
    """What passes is encrypted or stays on this machine."""
    try:
        used = validate_base_url(url, ())
    except UsageError:
        return
    scheme, _, rest = used.lower().partition("://")
    host = rest.partition("/")[0]
    assert scheme == "https" or is_loopback(host.rpartition(":")[0].strip("[]") or host) or is_loopback(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("localhost.", False)],
)
def test_what_is_this_machine(host: str, expected: bool) -> None:
    """No name is looked up: a name server could say anything."""
    assert is_loopback(host) is expected
