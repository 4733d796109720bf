"""A stdout or stderr that takes nothing changes what is printed, not what is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from live_runner import KEY, LiveRunner, Simulator, write_jobs

FULL = Path("/dev/full")  # every write to it fails: no space left on device
UNREAD = 141


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

    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        b"error: stdout cannot be written: no space left on device",
        b"fix: print it somewhere else",
    ]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_unread_pipe_has_an_exit_code_of_its_own(unbuffered: str, tmp_path: Path) -> None:
    """And no word; also of help, which click prints. A closed stdout is as good as the null device."""
    with unread_pipe() as pipe:
        done = compile_table(tmp_path, unbuffered, stdout=pipe)
        helped = subprocess.run(
            [sys.executable, "-m", "runner", "list", "--help"],
            stdout=pipe, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (UNREAD, b"")
    assert (helped.returncode, helped.stderr) == (UNREAD, b"")

    done = compile_table(tmp_path, unbuffered, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_run_that_no_one_watches_goes_on_to_its_end(tmp_path: Path) -> None:
    """`runner run FILE 2>&1 | head -1`, then the same with a full disk: its files are its result."""
    write_jobs(tmp_path / "jobs.jsonl", 20)
    with Simulator(tmp_path, "--instant") as simulator, LiveRunner(tmp_path, simulator) as home:
        command = [sys.executable, "-m", "runner", "run", "jobs.jsonl", "-o", "out.jsonl"]
        with unread_pipe() as pipe:
            done = subprocess.run(
                command, cwd=tmp_path, env=home.env, stdout=pipe, stderr=pipe, check=False, timeout=240
            )
        assert done.returncode == UNREAD
        summary = json.loads((tmp_path / "out.summary.json").read_text("utf-8"))
        assert (summary["state"], summary["counts"]["succeeded"]) == ("finished", 20)
        assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 20

        with FULL.open("wb") as full:
            done = subprocess.run(
                command, cwd=tmp_path, env=home.env, stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 0
        assert b"warning: stdout cannot be written: no space left on device" in done.stderr
        assert KEY.encode() not in done.stderr


def unread_pipe() -> Any:
    """Return the end of a pipe to write to, which has no reader; a context manager."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb")


def compile_table(folder: Path, unbuffered: str, **others: Any) -> subprocess.CompletedProcess[bytes]:
    """Run `runner compile`, which prints and needs no state folder."""
    (folder / "reviews.csv").write_text("review\nfine\n")
    words = ["compile", "reviews.csv", "--text", "review", "--labels", "mood: good|bad"]
    command = [sys.executable, "-m", "runner", *words]
    env = os.environ | {"RUNNER_HOME": str(folder / "home"), "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(command, cwd=folder, env=env, stderr=subprocess.PIPE, check=False, **others)
