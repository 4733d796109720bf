"""A copy of the project with one file changed, and pytest in it: who removes a guard wants to see red."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 900.0  # of all tests of a guard: unaltered, the longest take 3 minutes on 2 cores
NOT_RUN: Final = "the tests could not be collected"
ENDED: Final = "crashed while running"  # xdist, of a test that took longer than its time limit
FAILED, NOTHING_COLLECTED = 1, 5  # exit codes of pytest


class Failure(NamedTuple):
    """The first test that failed, or NOT_RUN. `hangs`: it, or all together, ran into a time limit."""

    test: str
    hangs: bool = False


def first_failure(file: str, text: str, tests: str) -> Failure | None:
    """Run tests (pytest arguments) in a copy where `file` has this text.

    Return the first failure; None when all passed. Raise AssertionError when no test was selected.
    """
    with tempfile.TemporaryDirectory(prefix="guard") as name:
        folder = Path(name)
        _copy(folder)
        (folder / file).write_text(text, encoding="utf-8")
        try:
            code, output = _run(folder, tests)
        except subprocess.TimeoutExpired:
            return Failure(f"the tests did not end within {WITHIN_S:.0f} s", hangs=True)
    assert code != NOTHING_COLLECTED, f"no tests: {tests}"
    found = re.search(r"^(?:FAILED|ERROR) (\S+::\S+)", output, re.MULTILINE)
    if found:
        return Failure(found[1], hangs=ENDED in output)
    if code == FAILED:
        return Failure(output[-2000:])
    return Failure(NOT_RUN) if code else None


def _copy(folder: Path) -> None:
    """Copy all files that git tracks or does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def _run(folder: Path, tests: str) -> tuple[int, str]:
    """Run tests up to the first that fails; return pytest's exit code and its output."""
    env = os.environ | {
        "PYTHONPATH": f"{folder}",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis"),
    }
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    with subprocess.Popen(
        words,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as running:
        try:
            output, _ = running.communicate(timeout=WITHIN_S)
        except BaseException:  # Ctrl-C too
            os.killpg(running.pid, signal.SIGKILL)  # with the processes of xdist
            raise
    return running.returncode, output
