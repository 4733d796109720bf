"""A key that was copied with more than itself is told, and no part of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.api_key import key_fault
from runner.rules.errors import UsageError
from runner.rules.secret import Secret
from runner.settings import load

KEY = "xai-canary-0123456789-wxyz"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (f'"{KEY}"', "has quotation marks around it"),
        (f"'{KEY}'", "has quotation marks around it"),
        (f'{KEY}"', "has quotation marks around it"),
        (f"\u201c{KEY}\u201d", "has quotation marks around it"),
        (f"Bearer {KEY}", "has a word before the key"),
        (f"bearer {KEY}", "has a word before the key"),
        (f"XAI_API_KEY={KEY}", "has a word before the key"),
        (f"export XAI_API_KEY={KEY}", "has a word before the key"),
        (f"{KEY}\u200b", "has an invisible character in it (zero width space)"),
        (f"\ufeff{KEY}", "has an invisible character in it (zero width no-break space)"),
        (f"{KEY}\u00a0", "has an invisible character in it (no-break space)"),
        (f"{KEY}\x00", "has an invisible character in it (u+0000)"),
        (f"{KEY}\x1b[0m", "has an invisible character in it (u+001b)"),
        (f"{KEY}\n{KEY}", "has a space or a line break within it"),
        (f"{KEY} {KEY}", "has a space or a line break within it"),
        (f"{KEY}\u00e9", "has a letter that no API key has"),
        ("xai-\u2026", "has a letter that no API key has"),
    ],
)
def test_what_is_wrong_with_a_key(key: str, words: str) -> None:
    """In the variable and in the file; the sentence begins with the setting's name."""
    assert words in str(key_fault(key))
    with pytest.raises(UsageError, match=r"^XAI_API_KEY has ") as refused:
        load({"XAI_API_KEY": key}, Path("/nowhere"))
    assert "canary" not in refused.value.what + refused.value.fix


@pytest.mark.parametrize("key", [KEY, "xai-any", "sk-1234", 'a"b', "Bearer-like-but-not", "x" * 500])
def test_a_good_key(key: str) -> None:
    """Gateways have keys of their own forms."""
    assert load({"XAI_API_KEY": f"  {key}\r\n"}, Path("/nowhere")).api_key == Secret(key)


@given(st.text(min_size=1))
def test_a_key_is_printable_ascii_or_refused(key: str) -> None:
    """Anything else could not be sent in a header."""
    assert key_fault(key) is not None or (key.isascii() and key.isprintable() and " " not in key)
