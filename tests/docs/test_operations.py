"""The cron lines and the systemd units of docs/operations.md, with the commands they name."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import KEY, LiveRunner, Simulator, write_jobs
from ruamel.yaml import YAML

from runner.rules.event_kinds import EVENT_MEANING, EventKind, made_by
from runner.rules.exit_codes import ExitCode
from runner.settings_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
GENEROUS = ("--rpm", "60000", "--tpm", "100000000", "--instant")
PACE = ("--rpm", "none", "--tpm", "none", "--rps", "none", "--median-s", "0.4", "--submit-ms", "20")
HANGS = ("--fault", "submit:hang=0.1", "--hang-s", "3600")  # so that the night cannot end by itself
JOBS = 60
IN_FLIGHT = 8
UNITS = (
    *("questions.service", "questions.timer", "labels.service"),
    *("evaluation.service", "evaluation.timer"),
)
STAND_IN = """#!/bin/sh
key=${XAI_API_KEY:-$(cat "$XAI_API_KEY_FILE")}
printf '%s\\n' "$PWD" "$*" "${#key}" >> "$HOME/calls"
exit 10
"""


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


def cron_lines(about: str = "questions") -> list[tuple[str, str]]:
    """Return the lines of a crontab of the page: when they start, and what they run."""
    lines = block("cron", about).splitlines()
    parts = [line.split(None, 1 if line.startswith("@") else 5) for line in lines]
    return [(" ".join(part[:-1]), part[-1]) for part in parts]


def install(home: Path) -> None:
    """Make the home of a user who installed runner there."""
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "runner").symlink_to(Path(sys.executable).parent / "runner")
    (home / ".config" / "runner").mkdir(parents=True)
    (home / ".config" / "runner" / "key").write_text(f"{KEY}\n")
    (home / "evals").mkdir()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give the home of such a user, and the bare environment of a service."""
    install(tmp_path)
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
        timeout=240,
    )


def books(environment: dict[str, str]) -> dict[str, int]:
    with urllib.request.urlopen(
        environment["XAI_BASE_URL"].removesuffix("/v1") + "/_books", timeout=20
    ) as reply:
        found: dict[str, int] = json.load(reply)
    return found


def test_the_page_has_all_kinds_of_events_with_who_makes_them() -> None:
    """`events --kind` takes them."""
    table = PAGE.partition("| `--kind` | made by | what happened |\n|---|---|---|\n")[2].partition("\n\n")[0]

    assert table.splitlines() == [
        f"| `{kind}` | {made_by(kind)} | {EVENT_MEANING[kind]} |" for kind in EventKind
    ]


def test_the_cron_lines_run_as_cron_runs_them(user: tuple[Path, dict[str, str]]) -> None:
    """With cron's environment; again that night they send nothing, and print nothing."""
    folder, environment = user
    write_jobs(folder / "evals" / "questions.jsonl", 3)
    (schedule, nightly), (reboot, at_boot) = cron_lines()
    assert (schedule, reboot) == ("15 2,4,6 * * *", "@reboot")
    assert nightly == at_boot
    assert "%" not in nightly

    for command in (nightly, nightly, at_boot, nightly):
        done = run(["/bin/sh", "-c", command], folder, environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    assert books(environment)["accepted"] == 3
    (results,) = (folder / "evals").glob("questions.????-??-??.results.jsonl")
    assert len(results.read_bytes().splitlines()) == 3


def test_a_night_that_a_reboot_interrupted_is_continued_at_boot(tmp_path: Path) -> None:
    """All processes are gone at once; the line of boot ends the night, and the next hour's sends nothing."""
    install(tmp_path)
    write_jobs(tmp_path / "evals" / "questions.jsonl", JOBS)
    bare = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    (_, nightly), (_, at_boot) = cron_lines()
    with Simulator(tmp_path, *PACE, *HANGS) as simulator, LiveRunner(tmp_path, simulator, **bare) as home:
        home.wait_for_accepted(JOBS // 3, home.start_command(["/bin/sh", "-c", nightly]))
        home.kill()
        simulator.switch(faults={})

        command = home.start_command(["/bin/sh", "-c", at_boot])
        assert (command.wait(), command.output) == (0, "")
        accepted = simulator.books()["accepted"]
        assert JOBS <= accepted <= JOBS + IN_FLIGHT
        (results,) = (tmp_path / "evals").glob("questions.????-??-??.results.jsonl")
        assert len(results.read_bytes().splitlines()) == JOBS

        command = home.start_command(["/bin/sh", "-c", nightly])
        assert (command.wait(), command.output) == (0, "")
        assert simulator.books()["accepted"] == accepted


def test_the_nightly_unit_runs_the_line_of_cron(user: tuple[Path, dict[str, str]]) -> None:
    """The same command; its timer starts the service of the same name."""
    folder, environment = user
    service = {
        name: value.replace("%h", str(folder)) for name, value in unit("questions.service")["Service"].items()
    }
    at = Path(service["WorkingDirectory"])
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
    assert unit("questions.service")["Install"]["WantedBy"] == "default.target"  # a timer misses a reboot
    assert "Type" not in service  # a oneshot would keep default.target waiting until the night has ended
    enabling = block("sh", "questions")
    assert "enable --now questions.timer" in enabling
    assert "enable questions.service" in enabling
    assert "enable-linger" in enabling


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("file", UNITS)
def test_systemd_finds_no_fault_in_a_unit(tmp_path: Path, file: str) -> None:
    """Unknown keys and values that it cannot read; `runner` is where the unit says."""
    install(tmp_path)
    at = tmp_path / "units"
    at.mkdir()
    for name in {file, file.replace("timer", "service")}:
        text = block("ini", f"/{name}\n").replace("%h", str(tmp_path))
        (at / name).write_text(text)
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:  # short: for the paths of other units' sockets
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": runtime}
        done = run(["systemd-analyze", "verify", "--user", str(at / file)], tmp_path, environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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


@pytest.fixture
def evaluating(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Give the home of a user whose `runner` notes its call and ends with 10, and the bare environment."""
    install(tmp_path)
    program = tmp_path / ".local" / "bin" / "runner"
    program.unlink()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return tmp_path, {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}


def calls(folder: Path) -> list[tuple[str, str, str]]:
    """Return how the stand-in was called: where, with which arguments, and how long the key was."""
    lines = (folder / "calls").read_text().splitlines()
    return [(lines[at], lines[at + 1], lines[at + 2]) for at in range(0, len(lines), 3)]


def test_the_cron_lines_of_an_evaluation_end_with_its_code(evaluating: tuple[Path, dict[str, str]]) -> None:
    """With cron's environment, in the folder of the suite, at the hours of the other nightly lines."""
    folder, environment = evaluating
    (schedule, nightly), (reboot, at_boot) = cron_lines("runner eval")
    assert (schedule, reboot) == tuple(hours for hours, _ in cron_lines())
    assert nightly == at_boot
    assert "%" not in nightly

    done = run(["/bin/sh", "-c", nightly], folder, environment)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.REGRESSED, "", "")
    assert calls(folder) == [(str(folder / "evals"), "eval support.suite.toml -q --yes", str(len(KEY)))]


def test_the_unit_of_an_evaluation_runs_the_line_of_cron(evaluating: tuple[Path, dict[str, str]]) -> None:
    """It is kept down by what keeps other runs down, and by a verdict; its timer is that of the questions."""
    folder, environment = evaluating
    service = {
        name: value.replace("%h", str(folder))
        for name, value in unit("evaluation.service")["Service"].items()
    }
    name, _, value = service["Environment"].partition("=")
    done = run(service["ExecStart"].split(), Path(service["WorkingDirectory"]), environment | {name: value})
    assert done.returncode == ExitCode.REGRESSED

    run(["/bin/sh", "-c", cron_lines("runner eval")[0][1]], folder, environment)
    as_unit, as_cron = calls(folder)
    assert as_unit == as_cron
    kept_down = {int(code) for code in service["RestartPreventExitStatus"].split()}
    labels = {int(code) for code in unit("labels.service")["Service"]["RestartPreventExitStatus"].split()}
    assert kept_down == labels | {ExitCode.REGRESSED, ExitCode.NO_VERDICT}
    assert dict(unit("evaluation.timer")["Timer"]) == dict(unit("questions.timer")["Timer"])
    assert unit("evaluation.service")["Install"]["WantedBy"] == "default.target"


def workflow_steps() -> list[dict[str, Any]]:
    """Return the steps of the page's workflow, in order."""
    workflow = YAML(typ="safe").load(block("yaml", "runner eval"))
    assert set(workflow) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert workflow["on"]["schedule"] == [{"cron": "15 2 * * *"}]
    (job,) = workflow["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def step_at(steps: list[dict[str, Any]], words: str) -> int:
    """Return the place of the only step that runs or uses something."""
    (place,) = (at for at, step in enumerate(steps) if words in str(step.get("run", step.get("uses"))))
    return place


def test_the_workflow_keeps_the_nights_whatever_happens() -> None:
    """The state folder comes from the newest cache, and is saved under a key of its own after any end."""
    steps = workflow_steps()
    order = [step_at(steps, words) for words in ("cache/restore@", "runner eval", "flock", "cache/save@")]
    restore, evaluation, wait, save = (steps[at] for at in order)
    assert order == sorted(order)
    assert restore["with"]["path"] == save["with"]["path"] == "~/.local/state/runner"
    assert restore["with"]["key"] == save["with"]["key"]
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert {"github.run_id", "github.run_attempt"} <= set(re.findall(r"{{ (\S+) }}", save["with"]["key"]))
    assert (wait["if"], save["if"]) == ("always()", "always()")
    assert "if" not in evaluation
    assert list(evaluation["env"]) == ["XAI_API_KEY"]


def test_the_workflow_calls_the_command_in_the_folder_of_the_suite(
    evaluating: tuple[Path, dict[str, str]],
) -> None:
    """As GitHub runs a step, by `bash -e`; its code is that of the verdict."""
    folder, environment = evaluating
    step = workflow_steps()[step_at(workflow_steps(), "runner eval")]
    path = f"{folder}/.local/bin:{environment['PATH']}"
    done = run(
        ["bash", "-e", "-c", step["run"]],
        folder / step["working-directory"],
        environment | {"PATH": path, "XAI_API_KEY": KEY},
    )
    assert done.returncode == ExitCode.REGRESSED
    assert calls(folder) == [
        (str(folder / "evals"), "eval support.suite.toml --timeout 5h --yes", str(len(KEY)))
    ]


def test_the_workflow_waits_until_the_database_is_closed(user: tuple[Path, dict[str, str]]) -> None:
    """The engine outlives its last command for a moment; after the line its log is in the database."""
    folder, environment = user
    home = Path(environment["RUNNER_HOME"])
    (folder / ".local" / "state").mkdir(parents=True)
    (folder / ".local" / "state" / "runner").symlink_to(home)
    write_jobs(folder / "evals" / "questions.jsonl", 3)
    nightly = cron_lines()[0][1]
    assert run(["/bin/sh", "-c", nightly], folder, environment).returncode == 0

    line = workflow_steps()[step_at(workflow_steps(), "flock")]["run"]
    done = run(["bash", "-e", "-c", line], folder, environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "runner.db").exists()
    assert not (home / "runner.db-wal").exists()


def test_the_evaluation_takes_the_flags_of_its_lines(tmp_path: Path) -> None:
    """So that the lines above, which a stand-in took, are those of the command."""
    done = run(
        [str(Path(sys.executable).parent / "runner"), "eval", "--help"],
        tmp_path,
        {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0
    lines = [line for _, line in cron_lines("runner eval")]
    lines.append(workflow_steps()[step_at(workflow_steps(), "runner eval")]["run"])
    flags = {word for line in lines for word in line.split() if word.startswith("-")} | {"--on-end"}
    assert {flag for flag in flags if not re.search(rf"(^|[ ,]){flag}\b", done.stdout, re.MULTILINE)} == set()


def test_the_table_of_settings_is_complete() -> None:
    """Each variable that runner reads, and the one setting that only a file may have."""
    table = PAGE.partition("| setting | meaning |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:])))

    assert named - {"XAI_API_KEY_FILE"} == {row.env for row in TABLE if row.env}
    assert "`[prices]`" in table
