"""A command line that was typed: to be typed again with a change, or to be put on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.os_text import as_text
from runner.rules.redact import redact
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

LENGTH_MAX: Final = 1_000
LEFT_OUT: Final = "…"
_LEFT_OUT_FLAGS: Final = frozenset(
    {
        *("--user", "--system", "--set"),  # of label: texts of requests
        "--on-end",  # a shell command, which may hold a token; the run's options have it
        "--reason",  # recorded beside the command
    }
)
_STAYING_FLAGS: Final = frozenset(  # what they say stays with a run or a night that is loaded
    {
        *("--rpm", "--tpm", "--budget", "--limit", "--max-waiting", "--max-attempts", "--max-failures"),
        *("--fail-on", "--on-ambiguous", "--on-end"),
    }
)


class _Word(NamedTuple):
    """A word: what it begins with, and the value of a flag after it, if it has one: `--user=`, TEXT.

    `flag`: the flag that the word is, or whose value it has; "" for any other word.
    """

    head: str
    value: str | None = None
    flag: str = ""


def rerun_command(words: Sequence[str], occasion: str | None = None) -> str:
    """Return the command that was typed, quoted, to continue what it has loaded.

    --new would load and pay again. Options that stay with the run are left out, too: typed again, they would
    undo what somebody has `set` since. With `occasion` it names that one: `today` would be another run
    tomorrow.
    """
    kept = [word.head for word in _split(words, _STAYING_FLAGS) if not word.flag and word.head != "--new"]
    if occasion is not None:
        split = _split(kept, ("--occasion",))
        kept = [word.head if word.value is None else f"{word.head}{occasion}" for word in split]
    return _command(map(shell_word, kept))


def command_without(words: Sequence[str], flag: str) -> str:
    """Return a typed command, quoted, without one flag and its value."""
    return _command(shell_word(word.head) for word in _split(words, (flag,)) if not word.flag)


def recorded_command(words: Sequence[str], secrets: Iterable[str]) -> str:
    """Return a typed command for the record; at most LENGTH_MAX characters.

    It can be typed again where nothing was left out: secrets, and the values of some flags.
    """
    known = tuple(secrets)
    line = _command(
        f"{word.head}{LEFT_OUT}" if word.value is not None else shell_word(redact(as_text(word.head), known))
        for word in _split(words, _LEFT_OUT_FLAGS)
    )
    return line if len(line) <= LENGTH_MAX else line[: LENGTH_MAX - 1] + LEFT_OUT


def _split(words: Sequence[str], flags: Collection[str]) -> Iterator[_Word]:
    """Yield the words; the values of these flags apart, given as `--user TEXT` or `--user=TEXT`."""
    flag_before = ""
    for word in words:
        name, mark, value = word.partition("=")
        if flag_before:
            yield _Word("", word, flag_before)
            flag_before = ""
        elif mark and name in flags:
            yield _Word(f"{name}=", value, name)
        else:
            flag_before = word if word in flags else ""
            yield _Word(word, None, flag_before)


def _command(words: Iterable[str]) -> str:
    return " ".join(["runner", *words])
