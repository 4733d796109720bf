"""Both uses without a key, against the simulator: run a job file, then label a table and show its head."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path("demo")
LABELED = FOLDER / "reviews.labeled.csv"
COMMANDS = (
    ["run", str(HERE / "labels.jsonl"), "-o", str(FOLDER / "labels.results.jsonl")],
    ["label", str(HERE / "reviews.toml"), "-o", str(LABELED)],
)
LINES_SHOWN = 6


def main() -> int:
    """Run the demo; return the exit code of the first command that failed, or 0."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    generous = ["--rpm", "none", "--tpm", "none", "--rps", "none"]
    announced = ["--announce-rpm", "6000", "--announce-tpm", "20000000"]
    simulator = subprocess.Popen(
        [sys.executable, "-m", "runner.simulator", "--port", "0", *generous, *announced],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert simulator.stdout is not None  # noqa: S101 - it is piped
        ready = simulator.stdout.readline().strip()
        base_url = next(word for word in ready.split() if word.startswith("http://"))
        print(ready)  # noqa: T201 - this is a program
        code = next((code for words in COMMANDS if (code := call(words, base_url))), 0)
        if not code:
            show_first_lines()
        return code
    finally:
        simulator.terminate()
        simulator.wait()


def call(words: list[str], base_url: str) -> int:
    """Run a command of `runner` against an API; return its exit code."""
    print("$ runner " + " ".join(words), flush=True)  # noqa: T201
    env = {
        **os.environ,
        "XAI_API_KEY": "xai-demo-key-for-the-simulator",
        "XAI_BASE_URL": base_url,
        "RUNNER_HOME": str(FOLDER.resolve() / "state"),
    }
    return subprocess.run([sys.executable, "-m", "runner", *words], env=env, check=False).returncode


def show_first_lines() -> None:
    """Print the first lines of the labeled table."""
    print(f"\n$ head -{LINES_SHOWN} {LABELED}")  # noqa: T201
    with LABELED.open(encoding="utf-8") as table:
        print("".join(islice(table, LINES_SHOWN)), end="")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
