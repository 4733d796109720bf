"""Without a live display no command writes an escape byte, even to a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from test_commands import Place

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    "status", "status 1", "list", "show 1 r-1", "show 1 r-2 --full", "summary 1", "check jobs.jsonl",
    "watch 1 --timeout 0.1s", "doctor", "--help", "run --help", "nonsense", "show 1 r-9",
)  # fmt: skip
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "CI": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a place with a run of three jobs: one answered, one failed, one waiting."""
    folder: Path = tmp_path_factory.mktemp("plain")
    found = Place(folder)
    found.answered()
    return found


def at_a_terminal(place: Place, command: str, **env: str) -> bytes:
    """Call a command with a terminal for all three streams; return what the terminal got."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *command.split()],
            cwd=place.folder, env={**place.env, "TERM": "xterm-256color", **env},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
    finally:
        os.close(theirs)
    got = b""
    try:
        while chunk := os.read(ours, 65_536):
            got += chunk
    except OSError:  # how Linux reports that the other side is closed
        pass
    finally:
        os.close(ours)
        process.wait(120)
    return got


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_terminal_there_is_no_escape_byte(place: Place, command: str) -> None:
    """Into pipes."""
    done = place.call(command, TERM="xterm-256color")
    assert done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_that_is_to_stay_plain_gets_no_escape_byte(place: Place, command: str) -> None:
    """Each command gets one of the three variables: all at once would hide that one is ignored."""
    name = list(PLAIN)[COMMANDS.index(command) % len(PLAIN)]
    got = at_a_terminal(place, command, **{name: PLAIN[name]})
    assert got
    assert b"\x1b" not in got


@pytest.mark.parametrize("name", PLAIN)
def test_each_variable_alone_disables_the_panel(place: Place, name: str) -> None:
    """With `watch`, which else draws the panel."""
    assert b"\x1b" not in at_a_terminal(place, "watch 1 --timeout 0.1s", **{name: PLAIN[name]})


def test_a_terminal_without_these_variables_gets_the_panel(place: Place) -> None:
    """Without this the tests above would prove nothing."""
    assert b"\x1b" in at_a_terminal(place, "watch 1 --timeout 0.1s")
