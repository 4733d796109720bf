"""The cron line and the systemd unit of docs/operations.md, with the commands they name."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_runner import KEY, LiveRunner, Simulator, write_jobs

from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
GENEROUS = ("--rpm", "60000", "--tpm", "100000000", "--instant")


def block(word: str, about: str = "") -> str:
    """Return the first block of the page in this language that has some text in it."""
    found: list[str] = re.findall(rf"^```{word}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in found if about in text)


def unit(file: str) -> configparser.ConfigParser:
    """Return a unit of the page by its file name."""
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(block("ini", f"/{file}\n"))
    return parsed


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


def books(environment: dict[str, str]) -> dict[str, int]:
    with urllib.request.urlopen(
        environment["XAI_BASE_URL"].removesuffix("/v1") + "/_books", timeout=20
    ) as reply:
        found: dict[str, int] = json.load(reply)
    return found


def test_the_cron_line_runs_as_cron_runs_it(user: tuple[Path, dict[str, str]]) -> None:
    """With cron's environment; again that night it sends nothing, and prints nothing."""
    folder, environment = user
    (folder / "evals").mkdir()
    write_jobs(folder / "evals" / "questions.jsonl", 3)
    minutes, hours, day, month, weekday, command = block("cron").split(None, 5)
    assert (minutes, day, month, weekday) == ("15", "*", "*", "*")
    assert "%" not in command

    for _ in hours.split(","):
        done = run(["/bin/sh", "-c", command], folder, environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    assert books(environment)["accepted"] == 3
    (results,) = (folder / "evals").glob("questions.????-??-??.results.jsonl")
    assert len(results.read_bytes().splitlines()) == 3


def test_the_nightly_unit_runs_the_line_of_cron(user: tuple[Path, dict[str, str]]) -> None:
    """The same command; its timer starts the service of the same name."""
    folder, environment = user
    service = {
        name: value.replace("%h", str(folder)) for name, value in unit("questions.service")["Service"].items()
    }
    at = Path(service["WorkingDirectory"])
    at.mkdir()
    write_jobs(at / "questions.jsonl", 3)
    name, _, value = service["Environment"].partition("=")

    for _ in range(2):
        done = run(service["ExecStart"].split(), at, environment | {name: value})
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    assert books(environment)["accepted"] == 3
    assert service["ExecStart"].partition(" ")[2] in block("cron")
    assert (
        service["RestartPreventExitStatus"] == unit("labels.service")["Service"]["RestartPreventExitStatus"]
    )
    assert unit("questions.timer")["Install"]["WantedBy"] == "timers.target"
    assert unit("questions.timer")["Timer"].keys() == {"OnCalendar", "Persistent"}


def test_the_unit_is_one_and_its_command_runs(user: tuple[Path, dict[str, str]]) -> None:
    """It may be started again and again; the codes that do not help are those of the table."""
    folder, environment = user
    service = {
        name: value.replace("%h", str(folder)) for name, value in unit("labels.service")["Service"].items()
    }
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
