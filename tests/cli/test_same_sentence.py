"""A problem has one sentence and one fix: `doctor` and the command that meets it print the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import Called, run_command
from live_runner import KEY, LiveRunner, Simulator, wait_until, write_jobs
from servers import taken_port

from runner.db import migrate
from runner.rules.exit_codes import ExitCode
from runner.simulator.command import PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import PostgresServer

RUN: Final = ("run", "jobs.jsonl")
RUNNER: Final = (sys.executable, "-m", "runner")
CLOSED: Final = "127.0.0.1:9"  # the port of discard, where nothing listens


class Nowhere:
    """Replaces a simulator where only the API's address matters."""

    def __init__(self, url: str) -> None:
        self.url = url


class Place:
    """A folder with a job file, and a wrong environment."""

    def __init__(self, folder: Path, url: str = f"http://{CLOSED}/v1", **env: str) -> None:
        write_jobs(folder / "jobs.jsonl", 1)
        self.folder, self.url = folder, url
        self.env = env
        self.enter: tuple[str, ...] = ()

    def problems(self) -> list[dict[str, Any]]:
        """Run doctor; return the checks that are not ok."""
        done = self.call("doctor", "--json")
        return [check for check in json.loads(done.stdout)["checks"] if check["state"] != "ok"]

    def call(self, *words: str) -> Called:
        """Run a command that ends by itself; as a process where it enters a namespace or a changed Python."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        ours = {"RUNNER_HOME": str(self.folder / "home"), "XAI_API_KEY": KEY, "XAI_BASE_URL": self.url}
        env = kept | ours | self.env
        if not self.enter and "PYTHONPATH" not in self.env:
            return run_command(words, self.folder, env, *ExitCode)
        done = subprocess.run(
            [*self.enter, *RUNNER, *words],
            cwd=self.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        return Called(code=done.returncode, raw=done.stdout, stderr=done.stderr.decode())

    def is_reported_by(self, check: str, *words: str, code: int) -> str:
        """Assert that a command fails with the text of a check of doctor; return its sentence."""
        (found,) = [one for one in self.problems() if one["name"] == check]
        done = self.call(*words)
        assert done.code == code, done.stderr
        what, *where = str(found["told"]).split("; ")
        lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
        assert f"error: {what}" in lines
        assert set(where) <= set(lines)
        assert f"fix: {found['fix']}" in lines
        assert len(lines) <= 6
        return what


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a place with a state folder."""
    return Place(tmp_path)


def test_no_key(place: Place) -> None:
    """Nothing is sent without one; 2 from the command, 4 from doctor."""
    place.env = {"XAI_API_KEY": ""}
    assert place.is_reported_by("api key", *RUN, code=2) == "no API key is set"


def test_a_file_where_the_state_folder_should_be(place: Place) -> None:
    """It is not touched."""
    (place.folder / "home").write_text("mine")
    what = place.is_reported_by("state folder", *RUN, code=2)
    assert what.endswith("cannot be used: a file is in its way")
    assert (place.folder / "home").read_text() == "mine"


UNFIT = {
    "read-only": ("mount -t tmpfs -o ro tmpfs {home}", "cannot be used: its disk is read-only"),
    "full": (
        "mount -t tmpfs -o size=64k tmpfs {home} && head -c 1M /dev/zero > {home}/x 2>/dev/null",
        "cannot be used: its disk is full",
    ),
    "network": (
        "echo '1 0 0:1 / {home} rw - nfs4 server:/x rw' > {mounts}; mount --bind {mounts} /proc/$$/mountinfo",
        "is on a network file system (nfs4), which can damage a database",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_state_folder_that_cannot_be_used(case: str, place: Place) -> None:
    """In its own mount namespace, as root there: permissions alone would not stop root."""
    do, words = UNFIT[case]
    home = place.folder / "home"
    home.mkdir(mode=0o700)
    mount = do.format(home=shlex.quote(str(home)), mounts=shlex.quote(str(place.folder / "mounts")))
    place.enter = ("unshare", "-Urm", "sh", "-c", f'{mount}; exec "$@"', "sh")
    assert words in place.is_reported_by("state folder", *RUN, code=2)


def test_a_full_disk_needs_room(place: Place) -> None:
    """Another folder has none of the runs, so it is the cure for new ones alone."""
    home = place.folder / "home"
    home.mkdir(mode=0o700)
    mount = UNFIT["full"][0].format(home=shlex.quote(str(home)))
    place.enter = ("unshare", "-Urm", "sh", "-c", f'{mount}; exec "$@"', "sh")
    done = place.call(*RUN)
    assert done.stderr.endswith(
        "fix: make room on it, or name another folder with RUNNER_HOME for new runs\n"
    )


def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    """The run waits for free space instead of fetching what it could not store."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=24m tmpfs {shlex.quote(str(home))}"
    enter = ("unshare", "-Urm", "sh", "-c", f'{mount}; exec "$@"', "sh")
    with Simulator(tmp_path, "--instant") as simulator:
        place = Place(tmp_path, simulator.url)
        place.enter = enter
        (found,) = [one for one in place.problems() if one["name"] == "state folder"]
        assert found["state"] == "failed"
        sentence = re.sub(r"\d+ MB are left", "… are left", found["told"])
        assert sentence == f"the disk of the state folder {home} is full: … are left, 34 are needed"
        with LiveRunner(tmp_path, simulator) as running:
            command = running.start_command([*enter, *RUNNER, *RUN])
            wait_until(lambda: "continues by itself" in command.output, "the run prints why it waits")
            assert sentence in re.sub(r"\d+ MB are left", "… are left", command.output)
            assert simulator.books()["accepted"] == 0


def test_a_database_that_is_none(place: Place) -> None:
    """It is left as it is."""
    (place.folder / "home").mkdir(mode=0o700)
    file = place.folder / "home" / "runner.db"
    file.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    assert place.is_reported_by("database", "status", code=5).endswith("runner.db is damaged, or no database")
    assert file.read_bytes().startswith(b"no database")


def test_an_old_sqlite(place: Place) -> None:
    """The version that Python reports is faked; all else is real."""
    lie = "import sqlite3\nsqlite3.sqlite_version_info = (3, 31, 1)\n"
    (place.folder / "sitecustomize.py").write_text(lie)
    place.env = {"PYTHONPATH": str(place.folder)}
    what = place.is_reported_by("database", *RUN, code=2)
    assert what == "this Python's SQLite is too old: it is 3.31.1, 3.35.0 is needed"


def test_the_port_is_taken(tmp_path: Path) -> None:
    """By another process, as by another simulator."""
    with taken_port(PORT):
        Place(tmp_path).is_reported_by("port", "simulate", code=2)


@pytest.fixture
def shared(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Place]:
    """Return a place with shared servers: a database without tables, and a Redis that does not answer."""
    with postgres_server.fresh("template1") as url:
        yield Place(tmp_path, RUNNER_DATABASE_URL=url, RUNNER_REDIS_URL=f"redis://{CLOSED}/0")


@pytest.mark.parametrize(
    "command", ["status", "list", "load jobs.jsonl", "run jobs.jsonl", "worker", "show 1 a"]
)
def test_a_database_that_is_away(command: str, tmp_path: Path) -> None:
    """The same for every command; the password is never printed."""
    url = f"postgresql+psycopg://ann:hidden-word@{CLOSED}/runner"
    place = Place(tmp_path, RUNNER_DATABASE_URL=url, RUNNER_REDIS_URL=f"redis://{CLOSED}/0")
    what = place.is_reported_by("database", *command.split(), code=5)
    assert what == f"the database does not answer: postgresql+psycopg://ann:***@{CLOSED}/runner"
    assert "hidden-word" not in str(place.problems())


def test_a_database_that_is_not_there(shared: Place) -> None:
    """The server answers, but has no such database."""
    shared.env["RUNNER_DATABASE_URL"] = shared.env["RUNNER_DATABASE_URL"].replace("/test_", "/no_test_")
    assert shared.is_reported_by("database", "status", code=5).startswith("the database does not let us in: ")


def test_a_database_without_a_schema_and_a_redis_that_is_away(shared: Place) -> None:
    """One after the other, as a user would fix them."""
    what = shared.is_reported_by("database", "worker", code=2)
    assert what.endswith(f"has no schema yet, and this version needs {migrate.HEAD}")
    assert shared.call("db", "upgrade").code == 0
    assert shared.is_reported_by("redis", "worker", code=5).startswith("Redis does not answer: ")


AWAY = {
    "refused": ({"XAI_BASE_URL": f"http://{CLOSED}/v1"}, f"cannot connect to {CLOSED} (connection refused)"),
    "no such name": ({"XAI_BASE_URL": "https://nowhere.invalid/v1"}, "the name nowhere.invalid is not found"),
    "proxy": (
        {"XAI_BASE_URL": "https://localhost:9/v1", "HTTPS_PROXY": f"http://{CLOSED}", "NO_PROXY": ""},
        f"the proxy {CLOSED} cannot be reached (connection refused)",
    ),
}


@pytest.mark.parametrize("case", AWAY)
def test_an_api_that_cannot_be_reached(case: str, tmp_path: Path) -> None:
    """The run waits for it and prints the sentence and the fix."""
    env, words = AWAY[case]
    place = Place(tmp_path, **env)
    (found,) = [one for one in place.problems() if one["name"] == "api"]
    assert found["told"] == words
    with LiveRunner(tmp_path, Nowhere(env["XAI_BASE_URL"]), **env) as home:  # type: ignore[arg-type]
        command = home.start(*RUN)
        wait_until(lambda: "continues by itself" in command.output, "the run prints why it waits")
        assert f"waiting: {words}; {found['fix']}; continues by itself" in command.output
        os.kill(command.pid, signal.SIGINT)
        assert command.wait() == 130


def test_a_wrong_key(tmp_path: Path) -> None:
    """4 from both, in the API's own words."""
    with (
        Simulator(tmp_path, "--key", "xai-another-key-1") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        place = Place(tmp_path, simulator.url)
        (found,) = [one for one in place.problems() if one["name"] == "api key"]
        command = home.start(*RUN)
        assert command.wait() == 4
        assert f"paused: {found['told'].rstrip('.')}" in command.output
        assert f"fix: {found['fix']}, then: runner run jobs.jsonl" in command.output


def test_a_clock_that_is_off(tmp_path: Path) -> None:
    """Only a warning: the run continues, and the warning is printed once."""
    lie = "import time\nreal = time.time\ntime.time = lambda: real() + 7260\n"
    (tmp_path / "sitecustomize.py").write_text(lie)
    with ExitStack() as stack:
        # a second until the answer: the warning is on record by then, whichever process ends the run
        slow, lying = ("--median-s", "1", "--sigma", "0"), {"PYTHONPATH": str(tmp_path)}
        simulator = stack.enter_context(Simulator(tmp_path, *slow, env=lying))
        home = stack.enter_context(LiveRunner(tmp_path, simulator))
        place = Place(tmp_path, simulator.url)
        (found,) = [one for one in place.problems() if one["name"] == "clock"]
        assert found["told"] == "this machine's clock is about 2 hours behind the API's"
        command = home.start(*RUN)
        assert command.wait() == 0
        assert command.output.count(f"warning  {found['told']}; {found['fix']}") == 1
