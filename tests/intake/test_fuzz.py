"""The line reader under a coverage-guided fuzzer, for 10,000 inputs; `make fuzz` runs it for longer."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FUZZER = Path(__file__).parents[1] / "fuzz" / "line_reader.py"


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python or machine")
def test_no_bytes_break_the_line_reader(tmp_path: Path) -> None:
    """10,000 generated inputs: no crash, and no line accepted that the reference parser refuses."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    done = subprocess.run(
        [sys.executable, str(FUZZER), "-runs=10000", "-seed=7", str(corpus)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 10000 runs" in done.stderr
