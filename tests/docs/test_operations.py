"""The cron line and the systemd unit of docs/operations.md, with the commands they name."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_runner import KEY, LiveRunner, Simulator, write_jobs

from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
GENEROUS = ("--rpm", "60000", "--tpm", "100000000", "--instant")


def block(word: str) -> str:
    found = re.search(rf"^```{word}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give the home of a user who installed runner there, and the bare environment of a service."""
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    (tmp_path / ".local" / "bin" / "runner").symlink_to(Path(sys.executable).parent / "runner")
    (tmp_path / ".config" / "runner").mkdir(parents=True)
    (tmp_path / ".config" / "runner" / "key").write_text(f"{KEY}\n")
    with Simulator(tmp_path, *GENEROUS) as simulator, LiveRunner(tmp_path, simulator) as home:
        yield (
            tmp_path,
            {
                "HOME": str(tmp_path),
                "PATH": "/usr/bin:/bin",
                "RUNNER_HOME": str(home.path),
                "XAI_BASE_URL": simulator.url,
            },
        )


def run(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_cron_line_runs_as_cron_runs_it(user: tuple[Path, dict[str, str]]) -> None:
    """With cron's environment; a fresh run each time, and not a word where all is well."""
    folder, environment = user
    (folder / "evals").mkdir()
    write_jobs(folder / "evals" / "questions.jsonl", 3)
    command = block("cron").split(None, 5)[5].replace("\\%", "%")

    done = run(["/bin/sh", "-c", command], folder, environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (results,) = (folder / "evals").glob("results-????-??-??.jsonl")
    assert len(results.read_bytes().splitlines()) == 3


def test_the_unit_is_one_and_its_command_runs(user: tuple[Path, dict[str, str]]) -> None:
    """It may be started again and again; the codes that do not help are those of the table."""
    folder, environment = user
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block("ini"))
    service = {name: value.replace("%h", str(folder)) for name, value in unit["Service"].items()}
    at = Path(service["WorkingDirectory"])
    at.mkdir()
    write_jobs(at / "reviews.jsonl", 3)
    name, _, value = service["Environment"].partition("=")

    for _ in range(2):
        done = run(service["ExecStart"].split(), at, environment | {name: value})
        assert done.returncode == 0, done.stderr
    assert len((at / "labels.jsonl").read_bytes().splitlines()) == 3
    kept_down = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert kept_down == {1, 2, 3, 4, 6, 8, 9}
    assert kept_down <= {int(code) for code in ExitCode}
    assert service["Restart"] == "on-failure"
