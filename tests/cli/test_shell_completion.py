"""Shell completion: in a real bash, and the scripts of the other shells."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from run_driver import new_run
from sqlalchemy import text

from runner.db import migrate
from runner.db.session import Database

BIN = Path(sys.executable).parent


def completed(home: Path, *words: str) -> list[str]:
    """Return what bash suggests for the last word."""
    script = (
        'eval "$(runner completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
        ' _runner_completion runner; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", "runner", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "RUNNER_HOME": str(home)},
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_and_flags_are_completed(tmp_path: Path) -> None:
    """Without a state folder, too."""
    assert completed(tmp_path / "none", "sta") == ["start", "status"]
    assert "--fail-on" in completed(tmp_path / "none", "run", "--fa")
    assert set(completed(tmp_path / "none", "run", "--on-ambiguous", "")) == {"resubmit", "hold"}
    assert completed(tmp_path / "none", "status", "re") == []
    assert completed(tmp_path / "none", "events", "--kind", "wor") == ["workers_drained"]


def test_runs_are_completed_by_name_and_id(tmp_path: Path) -> None:
    """With an unreadable database nothing is suggested and no error is printed."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, None)
    run = new_run(database, 1)
    database.close()

    assert completed(tmp_path, "status", "by") == ["by-hand"]
    assert completed(tmp_path, "show", str(run.run_id)) == [str(run.run_id)]
    (tmp_path / "runner.db").write_bytes(b"no database")
    assert completed(tmp_path, "status", "by") == []


def test_names_with_an_occasion_are_completed_behind_the_at_sign(tmp_path: Path) -> None:
    """As a person types it: bash itself would take the "@" for the end of a word."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, None)
    new_run(database, 1)
    with database.write() as connection:
        connection.execute(text("UPDATE runs SET name = 'q@2026-11-28', occasion = '2026-11-28'"))
    database.close()
    script = """
eval "$(runner completion bash)"
runner status q@2\t#
"""
    shown = in_a_terminal(script, RUNNER_HOME=str(tmp_path))
    assert "runner status q@2026-11-28 #" in shown


def in_a_terminal(script: str, **env: str) -> str:
    """Return what an interactive bash shows for these keys."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child
        path = f"{BIN}:{os.environ['PATH']}"
        os.execvpe("bash", ["bash", "--norc", "-i"], os.environ | {"PATH": path, "TERM": "dumb", **env})
    shown = b""
    for keys in script.strip().splitlines():
        os.write(terminal, f"{keys}\n".encode())
    os.write(terminal, b"exit\n")
    with suppress(OSError):  # the terminal is gone when bash has ended
        while part := os.read(terminal, 65_536):
            shown += part
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown.decode()


@pytest.mark.parametrize(("shell", "words"), [("zsh", "#compdef runner"), ("fish", "complete --no-files")])
def test_other_shells_get_their_own_script(shell: str, words: str) -> None:
    """Click's scripts, with the name of our variable."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert words in done.stdout
    assert "_RUNNER_COMPLETE" in done.stdout
