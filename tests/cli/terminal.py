"""A real terminal for a command: its own tmux server, whose screen can be read and resized."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING, Final, Self

from live_runner import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

WITHIN_S: Final = 120.0


class Terminal:
    """Runs one command in a window; the output stays there after the command has ended."""

    def __init__(
        self,
        folder: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self._socket = folder / "tmux"
        named = [f"{name}={value}" for name, value in environment.items()]
        command = shlex.join(["env", *named, *words])
        columns, rows = size
        window = ("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder))
        self._tmux("-f", "/dev/null", *window, f"{command}; echo exit code $?; exec sleep 600")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux("kill-server")

    def screen(self) -> list[str]:
        """Return the visible lines."""
        return self._tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def shows(self, *words: str) -> list[str]:
        """Wait until the screen contains all of `words` at once; return its lines."""
        found: list[str] = []

        def seen() -> bool:
            found[:] = self.screen()
            shown = "\n".join(found)
            return all(word in shown for word in words)

        try:
            wait_until(seen, f"the screen shows {words!r}", WITHIN_S)
        except AssertionError as late:
            raise AssertionError("\n".join([str(late), *found])) from late
        return found

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def press(self, key: str) -> None:
        """Press a key, such as C-c."""
        self._tmux("send-keys", key)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=WITHIN_S,
        )
        return done.stdout
