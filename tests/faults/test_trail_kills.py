"""kill -9 at every point of a command's transactions: a change and its event are there, or neither is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import engine_kept, run_command
from live_runner import KEY, NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from run_driver import RunDriver
from servers import RedisServer
from sqlalchemy import text
from suite_folder import write_suite

from runner.db.runs import run_end, run_moves
from runner.db.session import Database
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conftest import PostgresServer

NOWHERE: Final = "http://127.0.0.1:9/v1"
POINTS: Final = Path(__file__).with_name("trail_points.py")
JOBS: Final = 5
LABEL: Final = ("label", "t.csv", "--text", "review", "--labels", "mood: good|bad")
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "load": ("load", "other.jsonl"),
    "set": ("set", "1", "--rpm", "60", "--budget", "0.0000000001"),
    "pause": ("pause", "1"),
    "cancel": ("cancel", "1", "--now", "--yes"),
    "cancel some": ("cancel", "1", "--id", "j-0003", "--id", "j-0004", "--yes"),
    "retry": ("retry", "1", "--failed", "--yes"),
    "retry with another model": ("retry", "1", "--failed", "--set-model", "grok-4.5", "--yes"),
    "rm": ("rm", "2", "--yes"),
    "prune": ("prune", "--older-than", "1s", "--yes"),
    "set of a team": ("set", "--team", "--rpm", "60", "--tpm", "none"),
}
ANSWERED: Final[Mapping[str, tuple[str, ...]]] = {  # of nights and a labeled table that are answered
    "baseline": ("baseline", "sums", "accept", "n1"),
    "baseline that moves a pin": ("baseline", "sums", "pin", "n2", "--as", "first"),
    "regrade": ("regrade", "stricter.suite.toml"),
    "retry --judge": ("retry", "t", "--judge", "--no-repair"),
}
STARTS: Final[Mapping[str, tuple[str, ...]]] = {  # on shared servers: then no command starts an engine
    "resume": ("resume", "1", "--detach", "--rpm", "60", "--budget", "5"),
    "run": ("run", "other.jsonl", "--rpm", "60", "--timeout", "0.1s"),
    "label": (*LABEL, "--timeout", "0.1s"),
    "label again": (*LABEL, "--prefix", "x_", "--timeout", "0.1s"),
    "eval": ("eval", "sums.suite.toml", "--occasion", "n1", "--detach", "--yes"),
    "set of a team": ("set", "--team", "--rpm", "60", "--tpm", "none"),
}
LOADED, LABELED = "trail_loaded", "trail_labeled"  # names of databases
OF_NIGHT: Final = (
    "JOIN eval_measurements m ON m.id = g.measurement_id JOIN eval_nights n ON n.id = m.night_id"
)
FACTS: Final = (
    "SELECT id, state, pause_reason, options, output_path, recipe FROM runs ORDER BY id",
    "SELECT run_id, state, model, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT name, options, spec, is_accepted, pinned_as, verdict FROM eval_nights ORDER BY id",
    f"SELECT n.name, count(*), sum(g.value) FROM eval_grades g {OF_NIGHT} GROUP BY 1 ORDER BY 1",
    "SELECT n.name, count(*) FROM eval_verdicts v JOIN eval_nights n ON n.id = v.night_id GROUP BY 1",
    "SELECT 'team', rpm, tpm FROM team_limits",
)
EVENTS: Final = (
    "SELECT run_id, kind, new, id FROM run_events WHERE actor IS NOT NULL"
    " UNION ALL SELECT run_id, kind, new, id FROM operator_events ORDER BY 1"
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder: run 1 is at work with two failed jobs and one that is out, run 2 ended long ago."""
    folder = tmp_path_factory.mktemp("begun")
    env = {"PATH": os.environ["PATH"], "RUNNER_HOME": str(folder / "home"), "HOME": str(folder)}
    write_jobs(folder / "jobs.jsonl", JOBS)
    write_jobs(folder / "old.jsonl", 1)
    write_jobs(folder / "other.jsonl", 2)
    run_command(("load", "jobs.jsonl"), folder, env)
    run_command(("load", "old.jsonl"), folder, env)
    database = Database(f"sqlite:///{folder / 'home' / 'runner.db'}")
    for run_id in (1, 2):
        with database.write() as connection:
            run_moves.start(connection, run_id, 1_800_000_000_000)
        driver = RunDriver(database, run_id)
        driver.bring(JobState.FAILED)
        if run_id == 1:
            driver.bring(JobState.FAILED)
            driver.bring(JobState.WAITING)
        else:
            with database.write() as connection:
                assert run_end.finish_if_done(connection, run_id, 1)
    database.close()
    return folder


def facts(url: str) -> tuple[list[Any], list[Any]]:
    """Return the runs, the numbers of their jobs and the nights; and the events of commands."""
    database = Database(url)
    try:
        with database.read() as connection:
            found = [[tuple(row) for row in connection.execute(text(sql))] for sql in FACTS]
            return found, [tuple(row) for row in connection.execute(text(EVENTS))]
    finally:
        database.close()


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder: run t has labels that needed a repair, nights n1 and n2 have their verdicts."""
    folder = tmp_path_factory.mktemp("answered")
    suite = write_suite(folder, items=3, epochs=1)
    (folder / "stricter.suite.toml").write_text(suite.read_text().replace("at_most = 12", "at_most = 1"))
    (folder / "t.csv").write_text("review\n" + "text\n" * JOBS)
    answers = ("--answers", str(folder / "answers.jsonl"), "--fault", "prose=1")
    with (
        Simulator(folder, *NO_LIMITS, "--instant", *answers) as simulator,
        LiveRunner(folder, simulator) as home,
    ):
        with engine_kept(home.path):
            run_command(LABEL, folder, home.env)
            for night in ("n1", "n2"):
                run_command(("eval", "sums.suite.toml", "--occasion", night), folder, home.env)
        run_command(("baseline", "sums", "pin", "n1", "--as", "first"), folder, home.env)
        home.change("UPDATE eval_nights SET is_accepted = 0 WHERE name = 'sums@n1'")
        wait_until(home.has_no_processes, "the engine has ended")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_change_and_its_event_are_there_together_or_not_at_all(
    name: str, begun: Path, tmp_path: Path
) -> None:
    """Of runs at work and runs that have ended."""
    kill_at_each_point(COMMANDS[name], begun, tmp_path)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_change_of_answers_or_nights_and_its_event_are_there_together(
    name: str, answered: Path, tmp_path: Path
) -> None:
    """Of each night that changes, and of each page of answers."""
    kill_at_each_point(ANSWERED[name], answered, tmp_path)


def kill_at_each_point(words: tuple[str, ...], begun: Path, tmp_path: Path) -> None:
    """Check that the trail has one event for each run or night that has changed, with the jobs that moved."""
    folder = shutil.copytree(begun, tmp_path / "begun")
    before, events_before = facts(f"sqlite:///{folder / 'home' / 'runner.db'}")
    homes = killed_homes(words, folder)
    killed = 0
    for point in homes:
        after, events = facts(f"sqlite:///{point / 'runner.db'}")
        fresh = [event for event in events if event not in events_before]
        killed += after != before
        assert len(fresh) == len(_changed(before, after)), (point, fresh, before, after)
        if fresh and words[0] in {"cancel", "retry"}:
            moved = _moved(fresh[0][0], before[1], after[1])
            assert json.loads(fresh[0][2]).get("jobs", 0) == moved, (point, fresh)
    assert 0 < killed < len(homes), "it was killed before the change and after it"


def killed_homes(words: tuple[str, ...], folder: Path) -> list[Path]:
    """Kill a command at each of its points; return the state folders that this leaves, in the same order."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path),
        "XAI_API_KEY": KEY,
    }  # fmt: skip
    subprocess.run(
        [sys.executable, str(POINTS), str(folder), *words],
        cwd=folder, env=env, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    homes = sorted(
        (path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
    )
    assert len(homes) >= 5, "after a statement, before the commit, after it, at the end"
    return homes


def test_no_old_file_is_gone_without_an_event(begun: Path, tmp_path: Path) -> None:
    """It says how many were to be deleted; that they are deleted it says when none is left."""
    folder = shutil.copytree(begun, tmp_path / "begun")
    old = ("logs/bug-1.txt", "logs/bug-2.txt", "runner.db.0010", "stdin/ab")
    for name in old:
        path = folder / "home" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("12345")
        os.utime(path, (1, 1))
    found = []
    for home in killed_homes(("prune", "--older-than", "1s", "--yes"), folder):
        with closing(sqlite3.connect(home / "runner.db")) as connection:
            events = connection.execute(
                "SELECT cause, old FROM operator_events WHERE kind = 'files_deleted'"
            ).fetchall()
        left = sum((home / name).exists() for name in old)
        found.append((left, *(cause for cause, _ in events)))
        assert all(
            json.loads(about) == {"bug_reports": 2, "database_copies": 1, "inputs": 1, "size_bytes": 20}
            for _, about in events
        )

    assert list(dict.fromkeys(found)) == [
        (4,), *((left, "being deleted") for left in (4, 3, 2, 1, 0)), (0, "deleted")
    ]  # fmt: skip


@pytest.fixture(scope="module")
def loaded(begun: Path, postgres_server: PostgresServer) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a folder, and the environment of shared servers.

    There are two databases as templates: LOADED has a run that is loaded, LABELED a labeled table besides.
    """
    write_suite(begun, items=2, epochs=1)
    (begun / "t.csv").write_text("review\ntext\n")
    with RedisServer() as redis:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(begun), "RUNNER_HOME": str(begun / "shared"),
            "PYTHONPATH": os.pathsep.join(sys.path), "XAI_API_KEY": KEY, "XAI_BASE_URL": NOWHERE,
            "RUNNER_REDIS_URL": redis.url,
        }  # fmt: skip
        postgres_server.execute(f"CREATE DATABASE {LOADED} TEMPLATE migrated")
        loaded_only = env | {"RUNNER_DATABASE_URL": postgres_server.url(LOADED)}
        run_command(("load", "jobs.jsonl"), begun, loaded_only)
        postgres_server.execute(f"CREATE DATABASE {LABELED} TEMPLATE {LOADED}")
        labeled = env | {"RUNNER_DATABASE_URL": postgres_server.url(LABELED)}
        run_command((*LABEL, "--timeout", "0.1s"), begun, labeled, 7)
        yield begun, env
        for name in (LOADED, LABELED):
            postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("name", STARTS)
def test_a_start_and_its_event_are_there_together_or_not_at_all(
    name: str, loaded: tuple[Path, dict[str, str]], postgres_server: PostgresServer
) -> None:
    """Options, state and event are one transaction; a night and its run have one event each."""
    folder, env = loaded
    template = LABELED if name == "label again" else LOADED
    changed, point, is_killed = 0, 0, True
    before, events_before = facts(postgres_server.url(template))
    while is_killed:
        point += 1
        with postgres_server.fresh(template) as url:
            done = subprocess.run(
                [sys.executable, str(POINTS), "--at", str(point), *STARTS[name]],
                cwd=folder,
                env=env | {"RUNNER_DATABASE_URL": url},
                check=False,
                capture_output=True,
                timeout=300,
            )
            is_killed = done.returncode == -signal.SIGKILL
            assert is_killed or done.returncode in {0, 7}, done.stderr.decode()
            after, events = facts(url)
        fresh = [event for event in events if event not in events_before]
        changed += after != before
        assert len(fresh) == len(_changed(before, after)), (point, fresh, before, after)
    assert 0 < changed < point, "it was killed before the change and after it"


def _changed(before: list[Any], after: list[Any]) -> set[object]:
    """Return the runs and the nights of which something is different, by id and by name."""
    rows = [set(old) ^ set(new) for old, new in zip(before, after, strict=True)]
    return {row[0] for different in rows for row in different}


def _moved(run_id: int, before: list[Any], after: list[Any]) -> int:
    """Return how many jobs of a run have another state or model."""
    old, new = ({row[:3]: row[3] for row in rows if row[0] == run_id} for rows in (before, after))
    return sum(max(0, new[key] - old.get(key, 0)) for key in new)
