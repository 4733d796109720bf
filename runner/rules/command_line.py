"""A command line as it is put on record: without secrets and texts of requests, and not too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.os_text import as_text
from runner.rules.redact import redact
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LENGTH_MAX: Final = 1_000
LEFT_OUT: Final = "…"
_LEFT_OUT_FLAGS: Final = frozenset(
    {
        *("--user", "--system", "--set"),  # of label: texts of requests
        "--on-end",  # a shell command, which may hold a token; the run's options have it
        "--reason",  # recorded beside the command
    }
)


def recorded_command(words: Sequence[str], secrets: Iterable[str]) -> str:
    """Return `runner WORDS`, to be typed again where nothing was left out; at most LENGTH_MAX characters."""
    line = " ".join(["runner", *_shown_words(words, tuple(secrets))])
    return line if len(line) <= LENGTH_MAX else line[: LENGTH_MAX - 1] + LEFT_OUT


def _shown_words(words: Sequence[str], secrets: tuple[str, ...]) -> Iterator[str]:
    """Yield the words, quoted; the values of some flags are left out, as `--user TEXT` and `--user=TEXT`."""
    before = ""
    for word in words:
        name, mark, _ = word.partition("=")
        if before in _LEFT_OUT_FLAGS:
            yield LEFT_OUT
            before = ""
            continue
        is_left_out = bool(mark) and name in _LEFT_OUT_FLAGS
        yield f"{name}={LEFT_OUT}" if is_left_out else shell_word(redact(as_text(word), secrets))
        before = word
