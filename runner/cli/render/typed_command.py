"""The command as it was typed, to be typed again with a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import text

if TYPE_CHECKING:
    from collections.abc import Sequence


def command_without(arguments: Sequence[str], flag: str) -> str:
    """Return a typed command, quoted, without one flag and its value."""
    kept: list[str] = []
    is_value = False
    for argument in arguments:
        if not is_value and argument != flag and not argument.startswith(f"{flag}="):
            kept.append(argument)
        is_value = argument == flag and not is_value
    return " ".join(["runner", *map(text.shell_word, kept)])
