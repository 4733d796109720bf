"""Text from the operating system: arguments, names of files, variables, and why it refused something.

Names and the like are bytes, and may be no text. Python gives them with a lone surrogate for each byte that
its encoding lacks (PEP 383), which no database, no JSON and no UTF-8 file takes.
"""

from __future__ import annotations

from contextlib import suppress


def is_text(words: str) -> bool:
    """Return whether the words are text, without lone surrogates."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(words: str) -> str:
    r"""Return the words as text: bytes that are UTF-8 as what they say, others as escapes (`\udce9`).

    Two different words may become the same text: it names and shows, and leads back to no file.
    """
    if is_text(words):
        return words
    with suppress(UnicodeEncodeError):  # a surrogate that stands for no byte
        words = words.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return words.encode("utf-8", "backslashreplace").decode()


def reason_of(error: OSError) -> str:
    """Return why the system refused something, as the end of a sentence."""
    words = error.strerror or "the system gave no reason"
    return words[:1].lower() + words[1:]
