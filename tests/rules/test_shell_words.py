"""A word that is printed in a command is one word of it, and the same, when the command is typed."""

from __future__ import annotations

import os
import subprocess

import pytest

from runner.rules.shell_words import shell_word

WORDS = (
    "jobs.jsonl",
    "two words",
    'it\'s "so"',
    "a\nb",
    "\x1b[31m'\\n",
    "日本\u202e",
    "caf\udce9",
    "",
    "-o",
    "$x `y`",
)


def test_bash_reads_each_word_as_it_was() -> None:
    """Also line breaks, quotes, and bytes that are not UTF-8."""
    typed = " ".join(map(shell_word, WORDS))
    assert typed.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {typed}"], capture_output=True, check=True)
    assert done.stdout == b"".join(os.fsencode(word) + b"\0" for word in WORDS)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("a.jsonl", "a.jsonl"),
        ("my a", "'my a'"),
        ("=a", "'=a'"),
        ("a\nb", r"$'a\x0ab'"),
        ("\ud800", r"$'\xed\xa0\x80'"),
    ],
)
def test_a_word_is_quoted_no_more_than_needed(value: str, word: str) -> None:
    """What is plain stays plain."""
    assert shell_word(value) == word
