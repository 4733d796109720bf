"""A stdout or stderr that takes nothing changes what is printed, not what is done or how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
