"""Text from the operating system: whatever bytes it has, it becomes text that everything takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.os_text import as_text, is_text, reason_of


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("café", "café"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\udce9"),
        ("café".encode().decode("ascii", "surrogateescape"), "café"),  # as Python reads it in an ASCII locale
        ("half \ud83d", r"half \ud83d"),
        ("", ""),
    ],
)
def test_bytes_that_are_no_text_become_escapes(words: str, text: str) -> None:
    """Those that are UTF-8 are read as that, whatever the locale."""
    assert as_text(words) == text


@given(st.text(st.characters(codec=None)))
def test_everything_becomes_text_and_text_stays(words: str) -> None:
    """The words of a person are never changed."""
    text = as_text(words)
    assert is_text(text)
    assert (text == words) == is_text(words)


@given(st.binary())
def test_any_name_of_a_file_becomes_the_same_text_in_each_locale(name: bytes) -> None:
    """A run is found again by its name from a cron job too."""
    read = {as_text(name.decode(encoding, "surrogateescape")) for encoding in ("utf-8", "ascii")}
    assert len(read) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "input/output error"),
        (OSError(2, "No usable folder in ['/Data']"), "no usable folder in ['/Data']"),
        (OSError(), "the system gave no reason"),
    ],
)
def test_a_refusal_of_the_system_ends_a_sentence(error: OSError, reason: str) -> None:
    """Names in it stay as they are; there may be no words at all."""
    assert reason_of(error) == reason
