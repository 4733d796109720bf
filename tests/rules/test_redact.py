"""Text for display has no secret and no control character in it."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.redact import HIDDEN, one_line, plain, redact

KEY = "xai-Zm9v/YmFy+QUJD9012"
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=6, max_size=40)


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY),
        quote(KEY, safe=""),
        KEY.replace("/", "%2f").replace("+", "%2b"),
        quote_plus(KEY),
    ],
)
def test_a_key_is_hidden_as_it_is_and_url_encoded(form: str) -> None:
    """Escapes may be in upper or lower case."""
    shown = redact(f"GET /?key={form}&x=1", ["unrelated-secret", KEY])
    assert shown == f"GET /?key={HIDDEN}&x=1"


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_never_in_what_is_shown(secret: str, before: str, after: str) -> None:
    """It is hidden in any context."""
    shown = redact(before + secret + after, [secret])
    assert secret not in shown


@given(SECRETS, st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_a_secret_among_other_bytes_is_hidden(secret: str, before: bytes, after: bytes) -> None:
    """Basic authorization is the base64 of user:key, so the key may start at any of three offsets."""
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    shift = len(before) % 3
    aligned = secret.encode()[(3 - shift) % 3 :]
    core = base64.b64encode(aligned[: len(aligned) // 3 * 3]).decode()
    shown = redact(encoded, [secret])
    assert HIDDEN in shown
    assert len(core) < 4 or core not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: xai-abcdEFGH1234.", "Incorrect API key provided: ***."),
        ("redis://:p4ss@cache:6379/0", "redis://:***@cache:6379/0"),
        ("postgresql://me:se@cret@db/runner failed", "postgresql://me:***@db/runner failed"),
        ("see https://docs.x.ai:443/a?b=c@d", "see https://docs.x.ai:443/a?b=c@d"),
        ("xai-sdk is installed", "xai-sdk is installed"),
    ],
)
def test_keys_and_url_passwords_are_hidden_without_being_named(text: str, shown: str) -> None:
    """A key of another team, or a password in a driver's message, is a secret too."""
    assert redact(text, []) == shown


def test_a_secret_that_begins_another_leaves_no_rest() -> None:
    """The longest secret is hidden first."""
    assert redact("it was hunter2-and-more", ["hunter2", "hunter2-and-more"]) == "it was ***"


def test_very_short_secrets_do_not_eat_the_text() -> None:
    """An empty or one-letter setting is no secret."""
    assert redact("a plain sentence", ["", "a", "pl"]) == "a plain sentence"


@given(st.text(), st.lists(SECRETS, max_size=3))
def test_hiding_twice_changes_nothing(text: str, secrets: list[str]) -> None:
    """The mask itself is never hidden again."""
    once = redact(text, secrets)
    assert redact(once, secrets) == once


@given(st.text(st.characters()))
def test_plain_text_has_no_control_characters(text: str) -> None:
    """No control, direction or surrogate character is left, and the text can be encoded as UTF-8."""
    shown = plain(text)
    shown.encode("utf-8")
    assert all(char.isprintable() or char in "\u200c\u200d\u00a0\u3000" for char in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),
        ("nul\x00 \x9b1m", r"nul\x00 \x9b1m"),
        ("lone \ud800", r"lone \ud800"),
        ("日本語 naïve 👩\u200d🚀", "日本語 naïve 👩\u200d🚀"),
    ],
)
def test_harmful_characters_become_visible_escapes(text: str, shown: str) -> None:
    """Ordinary text of any language does not change."""
    assert plain(text) == shown


@given(st.text(), st.integers(1, 60))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    """Log lines and error columns depend on it."""
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_a_cut_line_ends_in_an_ellipsis() -> None:
    """It shows that the text was longer."""
    assert one_line("one  two\n three", 9) == "one two …"
    assert one_line("one  two\n three", 13) == "one two three"
    assert one_line("\x1b two\n three", None) == r"\x1b two three"
