"""A stdout or stderr that takes nothing changes what is printed, not what is done or how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FULL = Path("/dev/full")  # every write to it fails: no space left on device


def test_an_error_that_cannot_be_printed_keeps_its_exit_code(tmp_path: Path) -> None:
    """Exit code 1 would say that some jobs failed."""
    env = os.environ | {"RUNNER_HOME": str(tmp_path / "home"), "XAI_API_KEY": "xai-a-key"}
    words = [sys.executable, "-m", "runner", "run", "nothing.jsonl"]
    with FULL.open("wb") as full:
        done = subprocess.run(words, cwd=tmp_path, env=env, stdout=full, stderr=full, check=False)
    printed = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert b"nothing.jsonl" in printed.stderr
    assert done.returncode == printed.returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_cannot_be_printed_is_an_error(unbuffered: str, tmp_path: Path) -> None:
    """In a sentence, without a report of a bug."""
    with FULL.open("wb") as full:
        done = compile_table(tmp_path, unbuffered, stdout=full)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        b"error: stdout cannot be written: no space left on device",
        b"fix: print it somewhere else",
    ]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_or_stdout_changes_no_exit_code(unbuffered: str, tmp_path: Path) -> None:
    """Nobody reads what is printed: no word about it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = compile_table(tmp_path, unbuffered, stdout=pipe)
    assert (done.returncode, done.stderr) == (0, b"")

    done = compile_table(tmp_path, unbuffered, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


def compile_table(folder: Path, unbuffered: str, **others: Any) -> subprocess.CompletedProcess[bytes]:
    """Run `runner compile`, which prints and needs no state folder."""
    (folder / "reviews.csv").write_text("review\nfine\n")
    words = ["compile", "reviews.csv", "--text", "review", "--labels", "mood: good|bad"]
    command = [sys.executable, "-m", "runner", *words]
    env = os.environ | {"RUNNER_HOME": str(folder / "home"), "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(command, cwd=folder, env=env, stderr=subprocess.PIPE, check=False, **others)
