"""`rm` and `prune` as a user meets them, on runs that were really made."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import engine_kept, run_command
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs
from night_driver import NightDriver
from run_driver import new_run
from servers import RedisServer, has_waiting_statement
from sqlalchemy import text

from runner.db.evaluation import nights
from runner.db.runs import removal
from runner.db.runs.run_end import finish_if_done
from runner.db.session import Database
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import PostgresServer
    from sqlalchemy import Connection

JOBS = 12
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRunner]:
    """Give a state folder whose simulator answers at once."""
    folder = tmp_path_factory.mktemp("removing")
    write_jobs(folder / "jobs.jsonl", JOBS)
    with (
        Simulator(folder, *NO_LIMITS, "--instant") as simulator,
        LiveRunner(folder, simulator) as made,
        engine_kept(made.path),
    ):
        yield made


def runner(home: LiveRunner, *words: str, code: int = 0) -> str:
    return run_command(words, home.folder, home.env, code).output


def runs(home: LiveRunner) -> list[Any]:
    return [run["run"] for run in json.loads(runner(home, "list", "--json"))["runs"]]


def age(home: LiveRunner, run: int, days: int) -> None:
    with closing(sqlite3.connect(home.database, timeout=60)) as base:
        base.execute("UPDATE runs SET finished_at_ms = finished_at_ms - ? WHERE id = ?", (days * DAY_MS, run))
        base.commit()


def night_runs(home: LiveRunner, count: int) -> list[int]:
    """Make runs that ended long ago; return their ids, oldest first."""
    for _ in range(count):
        runner(home, *RUN, "--new", "--force")
    ids = runs(home)[:count][::-1]
    for run in ids:
        age(home, run, days=40)
    return ids


@contextmanager
def nights_of(home: LiveRunner) -> Iterator[NightDriver]:
    """Open the database to store nights."""
    database = Database(f"sqlite:///{home.database}")
    yield NightDriver(database)
    database.close()


@pytest.fixture
def _own_nights(home: LiveRunner) -> Iterator[None]:
    """Let a test have no nights but its own: afterwards their runs are runs like others."""
    yield
    with closing(sqlite3.connect(home.database, timeout=60)) as base:
        found = base.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'eval_%'")
        for (table,) in found.fetchall():
            base.execute(f"DELETE FROM {table}")
        base.commit()


def test_a_removed_run_is_gone_and_its_files_stay(home: LiveRunner) -> None:
    """--dry-run shows it, --yes is needed, and afterwards the same command starts a new run."""
    runner(home, *RUN, "--new", "--force")
    (run, *_) = runs(home)

    assert f"would remove run {run}, jobs: {JOBS} jobs and {JOBS} answers" in runner(
        home, "rm", str(run), "--dry-run"
    )
    assert json.loads(runner(home, "rm", str(run), "--dry-run", "--json")).keys() == {"schema", "would"}
    assert "add --yes" in runner(home, "rm", str(run), code=2)
    assert run in runs(home)
    shown = json.loads(runner(home, "rm", str(run), "--yes", "--json"))
    removed = {"run": run, "name": "jobs", "stem": "jobs", "jobs": JOBS, "answers": JOBS, "night": None}
    assert shown["removed"] == [removed]

    assert run not in runs(home)
    again = runner(home, "rm", str(run), "--yes", code=2).splitlines()
    assert again == [f"error: run {run} was removed", f"fix: runner events {run} shows by which command"]
    assert (home.folder / "out.jsonl").exists()
    runner(home, *RUN, "--new", "--force")
    assert runs(home)[0] > run


def test_only_rm_accepts_a_half_removed_run(home: LiveRunner) -> None:
    """As after a crash in the middle: other commands refuse it, and `rm` finishes it."""
    runner(home, *RUN, "--new", "--force")
    (run, *_) = runs(home)
    with closing(sqlite3.connect(home.database, timeout=60)) as base:
        base.execute("UPDATE runs SET state = 'removing', identity = 'removed' WHERE id = ?", (run,))
        base.execute("DELETE FROM payloads WHERE job_id >> 32 = ?", (run,))
        base.commit()

    assert f"runner rm {run} finishes that" in runner(home, "status", str(run), code=2)
    runner(home, "rm", str(run), "--yes")
    assert run not in runs(home)


def test_prune_takes_what_is_old_and_keeps_what_was_asked_for(home: LiveRunner) -> None:
    """Runs by age and number, bug reports by age; the database gets smaller."""
    for _ in range(3):
        runner(home, *RUN, "--new", "--force")
    newest, second, third, *_ = runs(home)
    for run in (newest, second, third):
        age(home, run, days=40)
    reports = [home.path / "logs" / f"bug-{name}.txt" for name in ("old", "new")]
    for report in reports:
        report.write_text("…")
    os.utime(reports[0], (0, 0))

    assert "would remove" in runner(home, "prune", "--keep", "1", "--dry-run")
    shown = json.loads(runner(home, "prune", "--keep", "1", "--yes", "--json"))

    assert {gone["run"] for gone in shown["removed"]} >= {second, third}
    assert newest in runs(home)
    assert not {second, third} & set(runs(home))
    assert shown["files"] == [str(reports[0])]
    assert [report.exists() for report in reports] == [False, True]
    assert "removed 0 runs" in runner(home, "prune", "--keep", "1", "--yes")


def test_prune_counts_the_nights_of_a_file_together(home: LiveRunner) -> None:
    """--keep is by stem: the names all differ. Of another file's nights, and of plain runs, as many stay."""
    night = ("run", "jobs.jsonl", "--rpm", "none", "--tpm", "none", "--name")
    made = {"a@mon": ("a", "mon"), "a@tue": ("a", "tue"), "a@wed": ("a", "wed"), "b@mon": ("b", "mon")}
    for name, occasion in made.values():
        runner(home, *night, name, "--occasion", occasion, "-q")
    ids = {run["name"]: run["run"] for run in json.loads(runner(home, "list", "--json"))["runs"]}
    for name in made:
        age(home, ids[name], days=40)

    shown = runner(home, "prune", "--keep", "2", "--dry-run")
    assert "a: 1 of 3 runs\n" in shown
    assert f"  run {ids['a@mon']}, a@mon: {JOBS} jobs and {JOBS} answers, ended " in shown
    assert "a@tue" not in shown
    assert "b@mon" not in shown
    would = json.loads(runner(home, "prune", "--keep", "1", "--dry-run", "--json"))
    assert {(run["name"], run["stem"]) for run in would["runs"]} >= {("a@mon", "a"), ("a@tue", "a")}

    runner(home, "prune", "--keep", "1", "--yes")
    assert [name for name in made if ids[name] in runs(home)] == ["a@wed", "b@mon"]


@pytest.mark.usefixtures("_own_nights")
def test_prune_keeps_what_a_suite_may_grade_again(home: LiveRunner) -> None:
    """Answers of nights that are open, pinned or in the pool stay, and prune says so; others go."""
    ids = night_runs(home, 4)
    opened, regressed, accepted, pinned = ids
    with nights_of(home) as driver:
        found = {run: driver.begin(f"n{run}") for run in ids}
        for run, night in found.items():
            driver.measure(night, {"correct": {"a": [1.0]}}, run_id=run)
        driver.end(found[regressed], "regressed", is_accepted=False)
        driver.end(found[accepted])
        driver.end(found[pinned], is_accepted=False)
        driver.write(nights.pin, found[pinned].id, "spring")

    shown = runner(home, "prune", "--dry-run")
    assert f"run {regressed}, " in shown
    assert "1 run of nights: the scores stay, but cannot be graded again\n" in shown
    kept = "kept: 3 old runs of nights (1 without a verdict, 1 in the pool of the next night, 1 pinned)"
    assert f"{kept}\n" in shown
    assert not any(f"run {run}, " in shown for run in (opened, accepted, pinned))
    removed = json.loads(runner(home, "prune", "--yes", "--json"))
    assert {run["run"]: run["night"] for run in removed["removed"]}[regressed] == found[regressed].name
    why = {run["run"]: (run["night"], run["why"]) for run in removed["kept"]}
    assert why[opened] == (found[opened].name, "open")
    assert why[accepted] == (found[accepted].name, "pool")
    assert why[pinned] == (found[pinned].name, "pinned")
    assert kept in runner(home, "prune")
    assert {opened, accepted, pinned} <= set(runs(home))
    assert regressed not in runs(home)
    with nights_of(home) as driver:
        assert driver.read(nights.report, found[regressed].id) is not None


@pytest.mark.usefixtures("_own_nights")
def test_rm_says_what_it_does_to_a_night(home: LiveRunner) -> None:
    """One that is open ends without a verdict; one that has ended keeps its scores."""
    first, second = night_runs(home, 2)
    with nights_of(home) as driver:
        ended, opened = driver.begin("rm1"), driver.begin("rm2")
        driver.measure(ended, {"correct": {"a": [1.0]}}, run_id=first)
        driver.measure(opened, {"correct": {"a": [1.0]}}, run_id=second)
        driver.end(ended)

    text = f"the scores of night {ended.name} stay; it can no longer be graded again"
    assert text in runner(home, "rm", str(first), "--dry-run")
    assert "has no verdict yet, and would end without one" in runner(home, "rm", str(second), "--dry-run")
    shown = json.loads(runner(home, "rm", str(first), "--yes", "--json"))
    assert shown["removed"][0]["night"] == ended.name


def test_prune_finishes_a_removal_that_was_interrupted(home: LiveRunner) -> None:
    """Whatever its age, and it does not count among those that are kept."""
    runner(home, *RUN, "--new", "--force")
    runner(home, *RUN, "--new", "--force")
    run, older, *_ = runs(home)
    age(home, older, days=40)
    with closing(sqlite3.connect(home.database, timeout=60)) as base:
        base.execute("UPDATE runs SET state = 'removing', identity = 'removed' WHERE id = ?", (run,))
        base.commit()

    assert f"run {run}, jobs: {JOBS} jobs and {JOBS} answers, half removed" in runner(
        home, "prune", "--keep", "1", "--dry-run"
    )
    runner(home, "prune", "--keep", "1", "--yes")

    assert run not in runs(home)
    assert older in runs(home)


def test_a_run_at_work_is_refused(home: LiveRunner, tmp_path: Path) -> None:
    """The error names the command that ends it. Paused, with an answer out that is due in many years."""
    write_jobs(tmp_path / "other.jsonl", 2)
    run = int(runner(home, "load", str(tmp_path / "other.jsonl"), "-q"))
    with closing(sqlite3.connect(home.database, timeout=60)) as base:
        base.execute("UPDATE runs SET state = 'paused', pause_reason = 'user' WHERE id = ?", (run,))
        out = "state = 'waiting', request_id = 'some-id', due_at_ms = 1 << 42"
        base.execute(f"UPDATE jobs SET {out} WHERE id >> 32 = ?", (run,))
        base.commit()

    printed = runner(home, "rm", str(run), "--yes", code=2)

    assert f"runner cancel {run}" in printed


def test_a_fresh_run_over_another_runs_files_loads_nothing(home: LiveRunner) -> None:
    """It is refused before the load: else the next try would find an unwanted run."""
    runner(home, *RUN, "--new", "--force")
    before = runs(home)

    assert "--force" in runner(home, *RUN, "--new", code=2)
    assert runs(home) == before


def remove_now(connection: Connection, run: int, *, is_gone: bool) -> None:
    """Do what another command does: begin to remove a run, or remove it whole."""
    assert removal.begin(connection, run, RunState.FINISHED)
    if is_gone:
        connection.execute(text("DELETE FROM runs WHERE id = :id"), {"id": run})


@pytest.mark.parametrize(
    ("is_gone", "sentence"),
    [
        (True, "run 1 is gone: another command has removed it"),
        (False, "run 1 is being removed by another command"),
    ],
)
@pytest.mark.parametrize("words", [("rm", "1", "--yes"), ("prune", "--older-than", "1s", "--yes", "--json")])
def test_of_two_removals_at_once_the_second_says_so(
    words: tuple[str, ...], is_gone: bool, sentence: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """It waits for the row of the run; `prune` leaves the run to the other one."""
    with postgres_server.fresh("migrated") as url, RedisServer() as redis:
        env = {"RUNNER_HOME": str(tmp_path), "RUNNER_DATABASE_URL": url, "RUNNER_REDIS_URL": redis.url}
        database = Database(url)
        ended = new_run(database, 1)
        ended.bring(JobState.SUCCEEDED)
        with database.write() as connection:
            assert finish_if_done(connection, ended.run_id, 1)
        with database.write() as connection:
            remove_now(connection, ended.run_id, is_gone=is_gone)
            second = subprocess.Popen(
                [sys.executable, "-m", "runner", *words],
                env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            wait_until(lambda: has_waiting_statement(database), "it waits for the row of the run")
        stdout, stderr = second.communicate(timeout=240)
        database.close()

    if words[0] == "rm":
        assert (second.returncode, stderr.splitlines()[0]) == (2, f"error: {sentence}")
    else:
        assert (second.returncode, json.loads(stdout)["removed"]) == (0, [])
