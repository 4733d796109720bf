"""Which run is meant: continue the same run, start another, or refuse and name the choice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import engine_kept, run_command
from live_runner import KEY, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNER: Final = (sys.executable, "-m", "runner")


class Nowhere:
    """Replaces a simulator where nothing is sent."""

    url = "http://127.0.0.1:9/v1"


class Workspace:
    """A folder where commands run one after the other, with a simulator."""

    def __init__(self, folder: Path, simulator: Simulator | Nowhere) -> None:
        self.folder, self.simulator = folder, simulator
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        home = str(folder / "home")
        self.env = kept | {"RUNNER_HOME": home, "XAI_API_KEY": KEY, "XAI_BASE_URL": simulator.url}
        self.stderr = ""

    def run(self, words: str, code: int = 0, stdin: bytes = b"") -> bytes:
        """Run a command and check its exit code; keep its stderr and return its stdout."""
        done = run_command(words.split(), self.folder, self.env, code, stdin=stdin)
        self.stderr = done.stderr
        return done.raw

    def load(self, words: str, stdin: bytes = b"") -> tuple[int, bool]:
        """Load something; return the run and whether it is new."""
        found: dict[str, Any] = json.loads(self.run(f"load {words} --json", stdin=stdin))
        return found["run"], found["created"]

    def jobs(self, name: str = "jobs.jsonl", count: int = 2) -> Path:
        """Write a job file here."""
        return write_jobs(self.folder / name, count)

    def accepted(self) -> int:
        """Return how many jobs were paid for in total."""
        assert isinstance(self.simulator, Simulator)
        return int(self.simulator.books()["accepted"])


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Return a workspace with a job file of two jobs."""
    with (
        Simulator(tmp_path, "--instant") as simulator,
        LiveRunner(tmp_path, simulator) as home,
        engine_kept(home.path),
    ):
        workspace = Workspace(tmp_path, simulator)
        workspace.jobs()
        yield workspace


@pytest.fixture
def offline(tmp_path: Path) -> Workspace:
    """Return a workspace with a job file of two jobs, where nothing can be sent."""
    workspace = Workspace(tmp_path, Nowhere())
    workspace.jobs()
    return workspace


def test_the_same_command_is_the_same_run_and_costs_nothing_more(workspace: Workspace) -> None:
    """Also by another name of the file, with other limits, another budget, another output."""
    workspace.run("run jobs.jsonl")
    assert workspace.accepted() == 2
    first = (workspace.folder / "jobs.results.jsonl").read_bytes()
    shutil.copy(workspace.folder / "jobs.jsonl", workspace.folder / "renamed.jsonl")
    for words in (
        "",
        "--rpm 60 --tpm 100000",
        "--budget 5",
        "-o other.jsonl",
        "--max-attempts 2 --fail-on length",
    ):
        workspace.run(f"run jobs.jsonl {words}")
        assert "already loaded as run 1\n" in workspace.stderr
        assert "run 1 is already finished; its files are written again" in workspace.stderr
    workspace.run("run renamed.jsonl")
    assert f"already loaded as run 1, from {workspace.folder / 'jobs.jsonl'}\n" in workspace.stderr
    for name in ("jobs.results.jsonl", "other.jsonl", "renamed.results.jsonl"):
        assert (workspace.folder / name).read_bytes() == first
    assert workspace.accepted() == 2


def test_limits_given_later_are_adopted(workspace: Workspace) -> None:
    """A trial of one job, then the rest: one run, each job paid for once."""
    workspace.run("run jobs.jsonl --limit 1", code=8)
    assert workspace.accepted() == 1
    workspace.run("run jobs.jsonl --limit 1", code=8)
    assert workspace.accepted() == 1
    workspace.run("run jobs.jsonl --rpm none", code=8)
    assert workspace.accepted() == 1, "the limit stays with the run"
    workspace.run("run jobs.jsonl --limit none")
    assert "already loaded as run 1" in workspace.stderr
    assert workspace.accepted() == 2


ANOTHER: Final = {
    "--new": ("jobs.jsonl --new", False),
    "a name": ("jobs.jsonl --name other", False),
    "another model": ("jobs.jsonl --model grok-4.5", True),
    "other checks": ("jobs.jsonl --skip-bad", True),
}


@pytest.mark.parametrize("case", ANOTHER)
def test_another_run_of_the_same_content(case: str, offline: Workspace) -> None:
    """Wanted with --new or --name; if only a flag differs, a warning says that it costs again."""
    words, is_warned = ANOTHER[case]
    assert offline.load("jobs.jsonl") == (1, True)
    assert offline.load(words) == (2, True)
    assert ("run 1 (jobs) has the same content with other flags" in offline.stderr) is is_warned
    assert offline.load(words.replace(" --new", "")) == (2, False)


def test_a_changed_file_is_refused_with_the_choice(workspace: Workspace) -> None:
    """Nothing is loaded or sent; --new starts a run, the old content continues the old one."""
    workspace.run("run jobs.jsonl --limit 1", code=8)
    old = (workspace.folder / "jobs.jsonl").read_bytes()
    workspace.jobs(count=3)
    for command in ("load", "run"):
        workspace.run(f"{command} jobs.jsonl", code=2)
        assert "error: jobs.jsonl belongs to run 1, which was loaded with other content" in workspace.stderr
        assert re.search(r"  it has 1 succeeded, 1 unfinished; \$0\.\d+ spent\n", workspace.stderr)
        assert "put the file back and run the same command, or runner start 1;" in workspace.stderr
        assert "start a fresh run with --new" in workspace.stderr
    assert workspace.load("jobs.jsonl --new") == (2, True)
    (workspace.folder / "jobs.jsonl").write_bytes(old)
    workspace.run("run jobs.jsonl --limit none")
    assert "already loaded as run 1" in workspace.stderr
    assert workspace.accepted() == 2


def test_skipped_lines_of_stdin_are_where_the_command_says(offline: Workspace) -> None:
    """In the state folder; the JSON has the path as well."""
    bad = b'{"id": "b"}\n'
    found = json.loads(offline.run("load - --skip-bad --json", stdin=b'{"id": "a", "prompt": "Hi"}\n' + bad))
    (path,) = re.findall(r"skipped 1 bad line; unchanged in (.*)\n", offline.stderr)
    assert (found["bad"], found["bad_file"]) == (1, path)
    assert (offline.folder / path).read_bytes() == bad
    assert json.loads(offline.run("load jobs.jsonl --json"))["bad_file"] is None


def test_a_known_name_with_other_content_is_refused(offline: Workspace) -> None:
    """The same choice."""
    offline.jobs("more.jsonl", count=3)
    assert offline.load("jobs.jsonl --name nightly") == (1, True)
    offline.run("load more.jsonl --name nightly", code=2)
    assert 'error: the name "nightly" belongs to run 1' in offline.stderr
    assert offline.load("more.jsonl --name nightly --new") == (2, True)


def test_stdin_is_known_by_its_content(workspace: Workspace) -> None:
    """The same content is one run, other content another; it is stored, so `start` can continue."""
    jobs = (workspace.folder / "jobs.jsonl").read_bytes()
    assert workspace.load("-", jobs) == (1, True)
    assert workspace.load("-", jobs) == (1, False)
    assert workspace.load("-", jobs.splitlines(keepends=True)[0]) == (2, True)
    printed = workspace.run("run - --json", stdin=jobs)
    assert json.loads(printed)["run"] == 1
    assert list(workspace.folder.glob("stdin-*.results.jsonl"))
    assert workspace.accepted() == 2


def test_foreign_files_in_the_way_are_kept(workspace: Workspace) -> None:
    """Refused before anything is sent, each of the three; accepted with another output or --force."""
    for which in ("jobs.results.jsonl", "jobs.results.errors.jsonl", "jobs.results.summary.json"):
        (workspace.folder / which).write_text("mine\n")
        workspace.run("run jobs.jsonl", code=2)
        assert "would replace a file that this run did not write" in workspace.stderr
        assert f"  {which}" in workspace.stderr
        assert "fix: name another output with -o, or replace what is there with --force" in workspace.stderr
        assert (workspace.accepted(), (workspace.folder / which).read_text()) == (0, "mine\n")
        (workspace.folder / which).unlink()
        assert "was removed again: nothing of it was sent" in workspace.stderr
        assert json.loads(workspace.run("list --json"))["runs"] == []
    (workspace.folder / which).write_text("mine\n")
    workspace.run("run jobs.jsonl -o elsewhere.jsonl")
    workspace.run("run jobs.jsonl --force")
    assert (workspace.folder / which).read_text() != "mine\n"
    assert workspace.accepted() == 2


def test_the_files_of_an_older_run_are_foreign_too(workspace: Workspace) -> None:
    """A fresh run needs its own output, or --force."""
    workspace.run("run jobs.jsonl")
    workspace.run("run jobs.jsonl --new", code=2)
    assert "(of run 1, jobs)" in workspace.stderr
    assert workspace.accepted() == 2
    workspace.run("run jobs.jsonl --new -o night-2.jsonl")
    assert "loaded 2 jobs as run 2" in workspace.stderr
    assert workspace.accepted() == 4


def test_each_occasion_is_one_run_with_its_own_files(workspace: Workspace) -> None:
    """The same line again costs nothing; another word sends the file again, --new too, with a number."""
    for words, run in {
        "--occasion mon": "jobs@mon",
        "--occasion tue": "jobs@tue",
        "--occasion tue --new": "jobs@tue.2",
        "--occasion tue --name nightly": "nightly@tue",
    }.items():
        workspace.run(f"run jobs.jsonl {words}")
        assert f"{run}: 2 of 2 done" in workspace.stderr
        assert (workspace.folder / f"{run.replace('@', '.')}.results.jsonl").exists()
        paid = workspace.accepted()
        workspace.run(f"run jobs.jsonl {words.replace(' --new', '')}")
        assert "is already finished; its files are written again" in workspace.stderr
        assert workspace.accepted() == paid
    assert paid == 8
    assert b"jobs@mon: finished" in workspace.run("status jobs@mon")
    workspace.run("status jobs", code=2)
    assert 'did you mean "jobs@tue.2"?' in workspace.stderr
    listed = json.loads(workspace.run("list --json"))["runs"]
    assert [(run["stem"], run["occasion"]) for run in listed][:2] == [("nightly", "tue"), ("jobs", "tue")]


def test_an_occasion_in_steps_and_from_stdin(workspace: Workspace) -> None:
    """`load` makes the run that `start` finds by its name; stdin has its name, and may not change either."""
    found = json.loads(workspace.run("load jobs.jsonl --occasion mon --json"))
    assert (found["run"], found["name"]) == (1, "jobs@mon")
    workspace.run("start jobs@mon -q")
    jobs = (workspace.folder / "jobs.jsonl").read_bytes()
    for words, name in {"--name pipe": "pipe", "": "stdin"}.items():
        workspace.run(f"run - --occasion mon {words}", stdin=jobs)
        assert (workspace.folder / f"{name}.mon.results.jsonl").exists()
        workspace.run(f"run - --occasion mon {words}", stdin=jobs)
        assert "is already finished" in workspace.stderr
        workspace.run(f"run - --occasion mon {words}", code=2, stdin=jobs.splitlines(keepends=True)[0])
        assert f"{name}@mon, run" in workspace.stderr
    assert workspace.accepted() == 6


def test_a_copied_file_is_the_same_run_within_an_occasion(workspace: Workspace) -> None:
    """Each copy gets the files under its own name, every time."""
    shutil.copy(workspace.folder / "jobs.jsonl", workspace.folder / "renamed.jsonl")
    for name in ("jobs", "renamed", "renamed", "jobs"):
        workspace.run(f"run {name}.jsonl --occasion mon")
        assert (workspace.folder / f"{name}.mon.results.jsonl").exists()
    assert workspace.accepted() == 2


def test_an_output_of_another_night_is_kept(workspace: Workspace) -> None:
    """A fixed -o is refused the next night, before anything is sent."""
    workspace.run("run jobs.jsonl --occasion mon -o out.jsonl")
    workspace.run("run jobs.jsonl --occasion tue -o out.jsonl", code=2)
    assert "(of run 1, jobs@mon)" in workspace.stderr
    workspace.run("run jobs.jsonl --occasion tue")
    assert workspace.accepted() == 4


def test_what_is_no_occasion_is_a_usage_error(offline: Workspace) -> None:
    """It says which words are."""
    for word in ("a/b", "a@b", "a%b", "x" * 65):
        offline.run(f"run jobs.jsonl --occasion {word}", code=2)
        assert "is no word of 1 to 64 letters, digits, dots, _ and -" in offline.stderr


def test_the_command_that_carries_on_names_the_night(workspace: Workspace) -> None:
    """`today` would be another run tomorrow. Options that stay with the run are not named again."""
    workspace.run("run jobs.jsonl --new --occasion today --limit 1", code=8)
    workspace.run("run jobs.jsonl --occasion=today --limit none --budget 0.0000001", code=6)
    (name,) = [run["name"] for run in json.loads(workspace.run("list --json"))["runs"]]
    day = name.removeprefix("jobs@")
    workspace.run("pause 1")
    assert isinstance(workspace.simulator, Simulator)
    workspace.simulator.switch(median_s=3600)
    workspace.run("run jobs.jsonl --occasion today --budget none --rpm 1 --timeout 0.001s", code=7)
    expected = f"runner run jobs.jsonl --occasion {day} --timeout 0.001s"
    assert expected in " ".join(workspace.stderr.split())


def test_two_loads_at_once_make_one_run(offline: Workspace) -> None:
    """The second one waits, and finds the run."""
    offline.jobs(count=4_000)
    commands = [
        subprocess.Popen(
            [*RUNNER, "load", "jobs.jsonl", "--json"],
            cwd=offline.folder,
            env=offline.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    found = [json.loads(command.communicate(timeout=240)[0]) for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0]
    assert {one["run"] for one in found} == {1}
    assert sorted(one["created"] for one in found) == [False, False, True]
    assert [run["total"] for run in json.loads(offline.run("list --json"))["runs"]] == [4_000]
