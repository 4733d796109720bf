"""kill -9 at every point of a command's transactions: a change and its event are there, or neither is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import run_command
from live_runner import KEY, write_jobs
from run_driver import RunDriver
from servers import RedisServer
from sqlalchemy import text
from suite_folder import write_suite

from runner.db import runs
from runner.db.session import Database
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conftest import PostgresServer

NOWHERE: Final = "http://127.0.0.1:9/v1"
POINTS: Final = Path(__file__).with_name("trail_points.py")
JOBS: Final = 5
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
STARTS: Final[Mapping[str, tuple[str, ...]]] = {  # on shared servers: then no command starts an engine
    "resume": ("resume", "1", "--detach", "--rpm", "60", "--budget", "5"),
    "run": ("run", "other.jsonl", "--rpm", "60", "--timeout", "0.1s"),
    "label": ("label", "t.csv", "--text", "review", "--labels", "mood: good|bad", "--timeout", "0.1s"),
    "eval": ("eval", "sums.suite.toml", "--occasion", "n1", "--detach", "--yes"),
    "set of a team": ("set", "--team", "--rpm", "60", "--tpm", "none"),
}
FACTS: Final = (
    "SELECT id, state, pause_reason, options, output_path, recipe FROM runs ORDER BY id",
    "SELECT run_id, state, model, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT name, options FROM eval_nights ORDER BY id",
    "SELECT rpm, tpm FROM team_limits",
)
EVENTS: Final = (
    "SELECT run_id, kind, new FROM run_events WHERE actor IS NOT NULL"
    " UNION ALL SELECT run_id, kind, new FROM operator_events ORDER BY 1"
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
            runs.start(connection, run_id, 1_800_000_000_000)
        driver = RunDriver(database, run_id)
        driver.bring(JobState.FAILED)
        if run_id == 1:
            driver.bring(JobState.FAILED)
            driver.bring(JobState.WAITING)
        else:
            with database.write() as connection:
                assert runs.finish_if_done(connection, run_id, 1)
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


@pytest.mark.parametrize("name", COMMANDS)
def test_a_change_and_its_event_are_there_together_or_not_at_all(
    name: str, begun: Path, tmp_path: Path
) -> None:
    """At each point the trail has one event more where the run has changed, with the jobs that have moved."""
    folder = shutil.copytree(begun, tmp_path / "begun")
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path),
        "XAI_API_KEY": KEY,
    }  # fmt: skip
    subprocess.run(
        [sys.executable, str(POINTS), str(folder), *COMMANDS[name]],
        cwd=folder, env=env, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    before, events_before = facts(f"sqlite:///{folder / 'home' / 'runner.db'}")
    points = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    assert len(points) >= 5, "after a statement, before the commit, after it, at the end"
    changed = 0
    for point in points:
        after, events = facts(f"sqlite:///{folder / str(point) / 'runner.db'}")
        fresh = [event for event in events if event not in events_before]
        changed += after != before
        assert len(fresh) == (after != before), (point, fresh, before, after)
        if fresh and name.startswith(("cancel", "retry")):
            assert json.loads(fresh[0][2]).get("jobs", 0) == _moved(before[1], after[1]), (point, fresh)
    assert 0 < changed < len(points), "it was killed before the change and after it"


@pytest.fixture(scope="module")
def loaded(begun: Path, postgres_server: PostgresServer) -> Iterator[tuple[Path, dict[str, str], str]]:
    """Yield a folder, the environment of shared servers, and a database with a loaded run as a template."""
    write_suite(begun, items=2, epochs=1)
    (begun / "t.csv").write_text("review\ntext\n")
    with RedisServer() as redis:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(begun), "RUNNER_HOME": str(begun / "shared"),
            "PYTHONPATH": os.pathsep.join(sys.path), "XAI_API_KEY": KEY, "XAI_BASE_URL": NOWHERE,
            "RUNNER_REDIS_URL": redis.url,
        }  # fmt: skip
        postgres_server.execute("CREATE DATABASE trail_loaded TEMPLATE migrated")
        url = postgres_server.url("trail_loaded")
        run_command(("load", "jobs.jsonl"), begun, env | {"RUNNER_DATABASE_URL": url})
        yield begun, env, "trail_loaded"
        postgres_server.execute("DROP DATABASE trail_loaded WITH (FORCE)")


@pytest.mark.parametrize("name", STARTS)
def test_a_start_and_its_event_are_there_together_or_not_at_all(
    name: str, loaded: tuple[Path, dict[str, str], str], postgres_server: PostgresServer
) -> None:
    """Options, state and event are one transaction; a night and its run have one event each."""
    folder, env, template = loaded
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
        made = sum(len(after[place]) - len(before[place]) for place in (0, 2))
        assert len(fresh) == (made or after != before), (point, fresh, before, after)
    assert 0 < changed < point, "it was killed before the change and after it"


def _moved(before: list[Any], after: list[Any]) -> int:
    """Return how many jobs of run 1 have another state or model."""
    old, new = ({row[:3]: row[3] for row in rows if row[0] == 1} for rows in (before, after))
    return sum(max(0, new[key] - old.get(key, 0)) for key in new)
