"""Which run is meant: the same one is carried on, another is begun, or the choice is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from live_runner import KEY, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNER: Final = (sys.executable, "-m", "runner")


class Desk:
    """A folder where a person gives one command after the other, before a simulator."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        home = str(folder / "home")
        self.env = kept | {"RUNNER_HOME": home, "XAI_API_KEY": KEY, "XAI_BASE_URL": simulator.url}
        self.output = ""

    def give(self, words: str, code: int = 0, said: bytes = b"") -> bytes:
        """Give a command, see its exit code; keep what it said and return what it printed."""
        done = subprocess.run(
            [*RUNNER, *words.split()],
            cwd=self.folder, env=self.env, input=said, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        self.output = done.stderr.decode()
        assert done.returncode == code, self.output
        return done.stdout

    def load(self, words: str, said: bytes = b"") -> tuple[int, bool]:
        """Load something; return the run and whether it was made."""
        found: dict[str, Any] = json.loads(self.give(f"load {words} --json", said=said))
        return found["run"], found["created"]

    def jobs(self, name: str = "jobs.jsonl", count: int = 2) -> Path:
        """Put a job file here."""
        return write_jobs(self.folder / name, count)

    def accepted(self) -> int:
        """Return how many jobs were paid for in all."""
        return int(self.simulator.books()["accepted"])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk with a job file of two."""
    with Simulator(tmp_path, "--instant") as simulator:
        desk = Desk(tmp_path, simulator)
        desk.jobs()
        yield desk


def test_the_same_command_is_the_same_run_and_costs_nothing_more(desk: Desk) -> None:
    """Also by another name of the file, with other limits, another budget, another output."""
    desk.give("run jobs.jsonl")
    assert desk.accepted() == 2
    first = (desk.folder / "jobs.results.jsonl").read_bytes()
    shutil.copy(desk.folder / "jobs.jsonl", desk.folder / "renamed.jsonl")
    for words in (
        "",
        "--rpm 60 --tpm 100000",
        "--budget 5",
        "-o other.jsonl",
        "--max-attempts 2 --fail-on length",
    ):
        desk.give(f"run jobs.jsonl {words}")
        assert "already loaded as run 1\n" in desk.output
        assert "run 1 has finished before; its files are written again" in desk.output
    desk.give("run renamed.jsonl")
    assert f"already loaded as run 1, from {desk.folder / 'jobs.jsonl'}\n" in desk.output
    for name in ("jobs.results.jsonl", "other.jsonl", "renamed.results.jsonl"):
        assert (desk.folder / name).read_bytes() == first
    assert desk.accepted() == 2


def test_limits_given_later_are_adopted(desk: Desk) -> None:
    """A trial of one job, then the rest: one run, each job paid for once."""
    desk.give("run jobs.jsonl --limit 1", code=8)
    assert desk.accepted() == 1
    desk.give("run jobs.jsonl --limit 1", code=8)
    assert desk.accepted() == 1
    desk.give("run jobs.jsonl --rpm none")
    assert "already loaded as run 1" in desk.output
    assert desk.accepted() == 2


ANOTHER: Final = {
    "--new": ("jobs.jsonl --new", False),
    "a name": ("jobs.jsonl --name other", False),
    "another model": ("jobs.jsonl --model grok-4.3", True),
    "other checks": ("jobs.jsonl --skip-bad", True),
}


@pytest.mark.parametrize("case", ANOTHER)
def test_another_run_of_the_same_content(case: str, desk: Desk) -> None:
    """Wanted with --new or --name; where only a flag differs, it is said that it costs once more."""
    words, is_told = ANOTHER[case]
    assert desk.load("jobs.jsonl") == (1, True)
    assert desk.load(words) == (2, True)
    assert ("run 1 (jobs) holds the same content with other flags" in desk.output) is is_told
    assert desk.load(words.replace(" --new", "")) == (2, False)


def test_a_changed_file_is_refused_with_the_choice(desk: Desk) -> None:
    """Nothing is loaded or sent; --new begins a run, the old content goes on with the old one."""
    desk.give("run jobs.jsonl --limit 1", code=8)
    old = (desk.folder / "jobs.jsonl").read_bytes()
    desk.jobs(count=3)
    for command in ("load", "run"):
        desk.give(f"{command} jobs.jsonl", code=2)
        assert "error: jobs.jsonl belongs to run 1, which was loaded with other content" in desk.output
        assert "fix: start a fresh run with --new, or put the file back" in desk.output
    assert desk.load("jobs.jsonl --new") == (2, True)
    (desk.folder / "jobs.jsonl").write_bytes(old)
    desk.give("run jobs.jsonl")
    assert "already loaded as run 1" in desk.output
    assert desk.accepted() == 2


def test_a_known_name_with_other_content_is_refused(desk: Desk) -> None:
    """The same choice."""
    desk.jobs("more.jsonl", count=3)
    assert desk.load("jobs.jsonl --name nightly") == (1, True)
    desk.give("load more.jsonl --name nightly", code=2)
    assert 'error: the name "nightly" belongs to run 1' in desk.output
    assert desk.load("more.jsonl --name nightly --new") == (2, True)


def test_stdin_is_known_by_its_content(desk: Desk) -> None:
    """Twice the same is one run, other content another; it is kept, so `start` goes on with it."""
    jobs = (desk.folder / "jobs.jsonl").read_bytes()
    assert desk.load("-", jobs) == (1, True)
    assert desk.load("-", jobs) == (1, False)
    assert desk.load("-", jobs.splitlines(keepends=True)[0]) == (2, True)
    printed = desk.give("run - --json", said=jobs)
    assert json.loads(printed)["run"] == 1
    assert list(desk.folder.glob("stdin-*.results.jsonl"))
    assert desk.accepted() == 2


@pytest.mark.parametrize(
    "which", ["jobs.results.jsonl", "jobs.results.errors.jsonl", "jobs.results.summary.json"]
)
def test_foreign_files_in_the_way_are_kept(which: str, desk: Desk) -> None:
    """Refused before anything is sent; another output or --force goes on."""
    (desk.folder / which).write_text("mine\n")
    desk.give("run jobs.jsonl", code=2)
    assert "would replace a file that this run did not write" in desk.output
    assert f"  {which}" in desk.output
    assert "fix: name another output with -o, or replace what is there with --force" in desk.output
    assert (desk.accepted(), (desk.folder / which).read_text()) == (0, "mine\n")
    desk.give("run jobs.jsonl -o elsewhere.jsonl")
    desk.give("run jobs.jsonl --force")
    assert (desk.folder / which).read_text() != "mine\n"
    assert desk.accepted() == 2


def test_the_files_of_an_older_run_are_foreign_too(desk: Desk) -> None:
    """Nightly: a fresh run names its own output, or says --force."""
    desk.give("run jobs.jsonl")
    desk.give("run jobs.jsonl --new", code=2)
    assert "(of run 1, jobs)" in desk.output
    assert desk.accepted() == 2
    desk.give("run jobs.jsonl --new -o night-2.jsonl")
    assert "loaded 2 jobs as run 2" in desk.output
    assert desk.accepted() == 4


def test_two_loads_at_once_make_one_run(desk: Desk) -> None:
    """Whoever comes second waits, and finds the run."""
    desk.jobs(count=4_000)
    commands = [
        subprocess.Popen(
            [*RUNNER, "load", "jobs.jsonl", "--json"],
            cwd=desk.folder,
            env=desk.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    found = [json.loads(command.communicate(timeout=120)[0]) for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0]
    assert {one["run"] for one in found} == {1}
    assert sorted(one["created"] for one in found) == [False, False, True]
    assert [run["total"] for run in json.loads(desk.give("list --json"))["runs"]] == [4_000]
