"""The main job without a key: run labels.jsonl against the simulator, show where the answers are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

JOBS = Path(__file__).parent / "labels.jsonl"
FOLDER = Path("demo")


def main() -> int:
    """Run the demo; return the exit code of `runner run`."""
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
        command = ["runner", "run", str(JOBS), "-o", str(FOLDER / "labels.results.jsonl")]
        print("$ " + " ".join(command), flush=True)  # noqa: T201
        env = {
            **os.environ,
            "XAI_API_KEY": "xai-demo-key-for-the-simulator",
            "XAI_BASE_URL": base_url,
            "RUNNER_HOME": str(FOLDER.resolve() / "state"),
        }
        return subprocess.run([sys.executable, "-m", *command], env=env, check=False).returncode
    finally:
        simulator.terminate()
        simulator.wait()


if __name__ == "__main__":
    sys.exit(main())
