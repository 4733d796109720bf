"""The state folder is private; a folder that cannot be used is refused with the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runner.embedded.file_lock import FileLock
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

PREPARE_AS_OTHER_USER = """
import os, pathlib, sys
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import UsageError
os.setgid(65534); os.setuid(65534)
try:
    StateFolder(pathlib.Path(sys.argv[1])).prepare()
except UsageError as error:
    print(error.what)
"""
TAKE_LOCK = """
import pathlib, sys
from runner.embedded.file_lock import FileLock
lock = FileLock(pathlib.Path(sys.argv[1]))
lock.acquire_exclusive() if sys.argv[2] == "exclusive" else lock.acquire_shared()
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_home_is_private_and_whole(tmp_path: Path) -> None:
    """Its mode becomes 0700; a second `prepare` changes nothing."""
    home = StateFolder(tmp_path / "deep" / "home")
    home.path.mkdir(parents=True, mode=0o755)

    home.prepare()
    home.prepare()

    assert home.path.stat().st_mode == 0o40700
    assert {path.name for path in home.path.iterdir()} == {"spool", "logs", "valkey", "locks"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act for another user")
@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [
        (0o755, 0, "belongs to another user"),
        (0o777, 0, "belongs to another user"),
        (0o500, 65534, "you may not write there"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, mode: int, owner: int, reason: str) -> None:
    """The state folder must belong to this user and be writable."""
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, owner, owner)
    home.chmod(mode)

    prepared = subprocess.run(
        [sys.executable, "-c", PREPARE_AS_OTHER_USER, home],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )

    assert reason in prepared.stdout


def test_a_file_in_the_place_of_the_home_is_refused(tmp_path: Path) -> None:
    """The error names the folder and the variable that changes it."""
    (tmp_path / "home").write_text("")

    with pytest.raises(UsageError, match="cannot be used") as refused:
        StateFolder(tmp_path / "home").prepare()

    assert "RUNNER_HOME" in refused.value.fix


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A link in /tmp, made by another user, must not move the socket elsewhere."""
    home = StateFolder(tmp_path / ("long " * 30))
    home.socket.parent.symlink_to(tmp_path)
    try:
        with pytest.raises(UsageError):
            home.prepare()
    finally:
        home.socket.parent.unlink()


@pytest.mark.parametrize(("kind", "is_exclusive"), [("exclusive", True), ("shared", False)])
def test_locks_hold_between_processes_and_end_with_them(
    tmp_path: Path, kind: str, is_exclusive: bool
) -> None:
    """The kernel releases the lock of a killed process."""
    path = tmp_path / "a.lock"
    command = [sys.executable, "-c", TAKE_LOCK, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "taken\n"
        assert FileLock(path).is_locked_exclusively() is is_exclusive
        assert not FileLock(path).try_acquire_exclusive()

        other.kill()
        other.wait()

    mine = FileLock(path)
    mine.acquire_exclusive()
    assert not FileLock(path).try_acquire_exclusive()
    mine.release()
    assert not FileLock(path).is_locked_exclusively()
