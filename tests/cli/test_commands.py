"""The commands that need no engine: output, stream and exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cli_calls import Called, run_command
from run_driver import RunDriver, received, settled

from runner.db.moves import result_moves
from runner.db.runs import run_moves
from runner.db.session import Database
from runner.rules.exit_codes import ExitCode
from runner.rules.states import Event, JobState

KEY = "xai-canary0123456789abcdef"
GOOD = '{"id": "r-%d", "model": "grok-4.3", "prompt": "Say %d."}\n'
ANSWER = b'{"model": "grok-4.3",\n "choices": [{"message": {"content": "hi"}}]}\n'


class Place:
    """A folder with a state folder in it, where commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.env = {"PATH": os.environ["PATH"], "RUNNER_HOME": str(self.home), "HOME": str(folder)}

    def call(self, command: str, stdin: str = "", **env: str) -> Called:
        """Run `runner COMMAND` here; it ends with any exit code."""
        return run_command(
            shlex.split(command), self.folder, {**self.env, **env}, *ExitCode, stdin=stdin.encode()
        )

    def write(self, name: str, text: str) -> None:
        """Put a file here."""
        (self.folder / name).write_text(text)

    def answered(self, count: int = 3) -> None:
        """Load a run of some jobs; answer the first, let the second fail, send the third."""
        self.write("jobs.jsonl", "".join(GOOD % (n, n) for n in range(1, count + 1)))
        assert self.call("load jobs.jsonl").stdout == "1\n"
        database = Database(f"sqlite:///{self.home / 'runner.db'}")
        with database.write() as connection:
            run_moves.start(connection, 1, 1_800_000_000_000)
        driver = RunDriver(database, 1)
        (lease,) = driver.lease()
        driver.send(lease)
        driver.apply(result_moves.stored, received(lease.job_id, body=ANSWER))
        driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.SUCCEEDED, JobState.SUCCEEDED))
        driver.bring(JobState.FAILED)
        driver.bring(JobState.WAITING)
        database.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return an empty place."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of three jobs: answered, failed, waiting."""
    folder = tmp_path_factory.mktemp("answered")
    Place(folder).answered()
    return folder


@pytest.fixture
def answered(answered_once: Path, tmp_path: Path) -> Place:
    """Return a copy of the place with three jobs."""
    return Place(shutil.copytree(answered_once, tmp_path / "place"))


def test_load_prints_the_id_and_loads_once(place: Place) -> None:
    """The same file is the same run; --new makes another."""
    place.write("jobs.jsonl", GOOD % (1, 1))

    first, again = place.call("load jobs.jsonl"), place.call("load jobs.jsonl --json")
    fresh = place.call("load jobs.jsonl --new")
    assert (first.stdout, fresh.stdout) == ("1\n", "2\n")
    assert "loaded 1 job as run 1" in first.stderr
    assert {"run": 1, "created": False}.items() <= json.loads(again.stdout).items()


def test_a_bad_file_is_reported_line_by_line_and_exits_3(place: Place) -> None:
    """Nothing is loaded, nothing is sent, nothing is on stdout."""
    place.write("jobs.jsonl", GOOD % (1, 1) + '{"id": "x" "prompt": "p"}\n' + GOOD % (1, 1))
    done = place.call("run jobs.jsonl", XAI_API_KEY=KEY)

    assert (done.code, done.stdout) == (3, "")
    lines = done.stderr.splitlines()
    assert "error: jobs.jsonl has 2 bad lines; nothing was loaded" in lines
    assert any(line.startswith("  line 2, column 12:") for line in lines)
    assert any("line 3" in line and "duplicate-id" in line for line in lines)
    assert "--skip-bad" in lines[-1]
    assert json.loads(place.call("list --json").stdout)["runs"] == []


def test_stdin_can_be_loaded(place: Place) -> None:
    """It is stored in the state folder, so the same content is the same run."""
    one, two = (place.call("load - -q", stdin=GOOD % (1, 1)).stdout for _ in range(2))

    assert "1\n" == one == two


def test_without_a_key_nothing_is_sent_and_the_fix_is_reported(place: Place) -> None:
    """Exit 2; no flag takes the key."""
    place.write("jobs.jsonl", GOOD % (1, 1))
    done = place.call("run jobs.jsonl")

    assert done.code == 2
    assert "error: no API key is set" in done.stderr
    assert "fix: export XAI_API_KEY" in done.stderr
    assert not list(place.folder.glob("*.results*"))


@pytest.mark.parametrize(
    "command", ["status", "status nope", "show nope r-1", "write nope", "watch nope", "summary 1"]
)
def test_a_missing_run_is_reported_in_one_sentence(place: Place, command: str) -> None:
    """And creates no state folder."""
    done = place.call(command)

    assert (done.code, done.stdout) == (2, "")
    assert "there are no runs yet" in done.stderr


@pytest.mark.parametrize(
    "command", ["status jobz", "show jobz r-1", "write jobz", "start jobz", "summary jobz"]
)
def test_a_mistyped_run_is_reported_with_the_nearest_name(answered: Place, command: str) -> None:
    """Exit 2."""
    done = answered.call(command, XAI_API_KEY=KEY)

    assert done.code == 2
    assert 'there is no run jobz; did you mean "jobs"?' in done.stderr


@pytest.mark.parametrize(
    "command",
    ["status", "status jobs", "list", "show 1 r-1", "summary 1", "write 1 -o o", "doctor", "load jobs.jsonl"],
)
def test_json_is_one_object_and_nothing_else(answered: Place, command: str) -> None:
    """On stdout; and no escape is printed by any command without a terminal, with --json or without."""
    shown, plain = answered.call(f"{command} --json"), answered.call(command)

    assert shown.stdout.count("\n") == 1
    assert json.loads(shown.stdout)["schema"] == 1
    for done in (shown, plain):
        assert "\x1b" not in done.stdout + done.stderr
        assert "\r" not in done.stdout + done.stderr


def test_status_shows_the_same_numbers_as_list_and_summary(answered: Place) -> None:
    """They are computed in one place."""
    status = json.loads(answered.call("status --json").stdout)
    summary = json.loads(answered.call("summary 1 --json").stdout)
    (row,) = json.loads(answered.call("list --json").stdout)["runs"]

    assert {"succeeded": 1, "failed": 1, "waiting": 1}.items() <= status["states"].items()
    assert status["counts"] == summary["counts"]
    assert (row["done"], row["total"], row["failed"], row["spent_ticks"]) == (2, 3, 1, 1000)
    assert status["out"]["answers"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", status["as_of"])
    assert "1 answer waits at xAI until" in answered.call("status").stdout


def test_status_names_the_commands_for_failed_jobs(answered: Place, place: Place) -> None:
    """Which list them and send them again; both work, and there is no such line where none has failed."""
    line = "  1 failed: runner jobs 1 --state failed; again: runner retry 1 --failed"
    assert line in answered.call("status 1").stdout.splitlines()
    assert "r-2" in answered.call("jobs 1 --state failed").stdout
    assert "would send 1 job of run 1 again" in answered.call("retry 1 --failed --dry-run").output

    place.write("jobs.jsonl", GOOD % (1, 1))
    place.call("load jobs.jsonl")
    assert "failed" not in place.call("status 1").stdout


def test_show_prints_the_history_of_a_job_and_raw_its_bytes(answered: Place) -> None:
    """The bytes exactly as received, without an added line feed."""
    story = answered.call("show jobs r-1").stdout
    raw = subprocess.run(
        [sys.executable, "-m", "runner", "show", "1", "r-1", "--raw"],
        env=answered.env, capture_output=True, check=True,
    )  # fmt: skip

    assert raw.stdout == ANSWER
    for words in ("job r-1 of run 1", "attempt 1", "succeeded", "$0.", "tokens"):
        assert words in story
    assert "some-cause: a cause" in answered.call("show 1 r-2").stdout
    assert answered.call("show 1 r-2 --raw").code == 2
    assert "has no job r-99" in answered.call("show 1 r-99").stderr


def test_write_makes_the_three_files_and_refuses_foreign_ones(answered: Place) -> None:
    """Exit 2 and --force in the fix; the summary file is the object of `summary --json`."""
    assert answered.call("write 1 -o out.jsonl").code == 0
    first = {path.name: path.read_bytes() for path in answered.folder.glob("out*")}
    assert {"out.jsonl", "out.errors.jsonl", "out.summary.json"} == set(first)
    assert answered.call("write jobs -o out.jsonl").code == 0
    assert first == {path.name: path.read_bytes() for path in answered.folder.glob("out*")}

    answered.write("out.errors.jsonl", "mine\n")
    done = answered.call("write 1 -o out.jsonl")
    assert done.code == 2
    assert "--force" in done.stderr
    assert (answered.folder / "out.errors.jsonl").read_text() == "mine\n"


def test_the_job_file_is_never_written_over(place: Place) -> None:
    """Not even with --force."""
    place.write("jobs.jsonl", GOOD % (1, 1))
    done = place.call("run jobs.jsonl -o jobs.jsonl --force", XAI_API_KEY=KEY)

    assert done.code == 2
    assert "is the job file itself" in done.stderr
    assert (place.folder / "jobs.jsonl").read_text() == GOOD % (1, 1)


def test_a_foreign_output_is_refused_before_anything_is_sent(place: Place) -> None:
    """At the start of a run, not after it was paid for; the run does not stay behind."""
    place.write("jobs.jsonl", GOOD % (1, 1))
    place.write("jobs.results.jsonl", "precious\n")
    done = place.call("run jobs.jsonl", XAI_API_KEY=KEY, XAI_BASE_URL="http://127.0.0.1:9/v1")

    assert done.code == 2
    assert "did not write" in done.stderr
    assert (place.folder / "jobs.results.jsonl").read_text() == "precious\n"
    assert "there are no runs yet" in place.call("status --json").stdout


def test_watching_is_left_by_the_time_or_a_signal(answered: Place) -> None:
    """Exit 7 for the time, 143 for SIGTERM; the first lines say that no worker has the run."""
    done = answered.call("watch 1 --timeout 0.3s")
    assert done.code == 7
    assert done.stderr.startswith("watching run 1\nno worker has this run since ")

    with subprocess.Popen(
        [sys.executable, "-m", "runner", "watch", "1", "--json"],
        env=answered.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as watcher:  # fmt: skip
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["run"] == 1
        watcher.send_signal(signal.SIGTERM)
        assert watcher.wait(120) == 143


def test_doctor_works_when_everything_is_broken(place: Place) -> None:
    """It prints each problem with its fix; exit 4 if only the key is missing, else 5."""
    assert place.call("doctor").code == 4
    assert not place.home.exists()
    unreachable = place.call("doctor", XAI_API_KEY=KEY, XAI_BASE_URL="http://127.0.0.1:9/v1")
    assert unreachable.code == 5
    assert "failed   api" in unreachable.stdout
    broken = place.call("doctor", XAI_BASE_URL="ftp://x")
    assert broken.code == 5
    assert "failed   settings" in broken.stdout
    place.home.write_text("a file where the state folder should be")
    assert place.call("doctor", XAI_API_KEY=KEY).code == 5


def test_the_key_is_in_no_output(place: Place) -> None:
    """Settings are shown, the key is not."""
    done = place.call("doctor --config", XAI_API_KEY=KEY, XAI_BASE_URL="http://127.0.0.1:9/v1")

    assert KEY not in done.stdout + done.stderr
    assert "…cdef" in done.stdout


def break_table(place: Place, table: str) -> None:
    """Let each read of a table fail as it never does by itself: the closest thing to a bug from outside."""
    with closing(sqlite3.connect(place.home / "runner.db")) as database:
        database.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        fails = "abs(-9223372036854775807 - 1) > 0"
        database.execute(f"CREATE VIEW {table} AS SELECT * FROM elsewhere WHERE {fails}")


def test_a_bug_is_reported_in_two_lines_with_a_report_without_secrets(answered: Place) -> None:
    """Exit 70."""
    break_table(answered, "attempts")
    done = answered.call(f"show 1 {KEY}", XAI_API_KEY=KEY)
    assert done.code == 2  # there is no such job
    done = answered.call("show 1 r-1", XAI_API_KEY=KEY)

    assert done.code == 70
    assert len(done.stderr.splitlines()) == 2
    (report,) = (answered.home / "logs").glob("bug-*.txt")
    assert str(report) in done.stderr
    assert "Traceback" in report.read_text()
    assert KEY not in report.read_text() + done.stderr
    assert "Traceback" not in done.stderr


def test_a_bug_of_the_engine_is_reported_by_the_command(answered: Place) -> None:
    """Exit 70 as well, with the report of the engine; the command writes none of its own."""
    break_table(answered, "workers")
    done = answered.call("run jobs.jsonl", XAI_API_KEY=KEY, XAI_BASE_URL="http://127.0.0.1:9/v1")

    assert done.code == 70, done.stderr
    report = Path(done.stderr.splitlines()[-1].rpartition("the report for its makers is ")[2])
    assert report.parent == answered.home / "logs"
    assert "integer overflow" in report.read_text()
    assert KEY not in report.read_text()


def test_a_reader_that_goes_away_is_no_error(answered: Place) -> None:
    """`runner list | true` prints nothing on stderr."""
    command = f"{sys.executable} -m runner list | true"
    done = subprocess.run(
        ["sh", "-c", command], env=answered.env, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_worker_needs_shared_servers(place: Place) -> None:
    """With a state folder a run starts its own workers."""
    done = place.call("worker", XAI_API_KEY=KEY)

    assert done.code == 2
    assert "RUNNER_DATABASE_URL" in done.stderr


def test_db_upgrade_prints_the_schema_it_found(place: Place) -> None:
    """Twice: the second time there is nothing to do."""
    assert "it was empty" in place.call("db upgrade").stdout
    assert "already" in place.call("db upgrade").stdout
