"""A run that needs a worker and has none says so: in `status`, `list`, `watch` and their JSON."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from actors import event_of
from cli_calls import run_command
from live_runner import LiveRunner, Simulator, wait_until, write_jobs
from run_driver import NOW_MS, RunDriver, new_run
from snapshots import snapshot_of_run

from runner.cli.commands.cancel import cancelled_lines
from runner.cli.render.runs.ending_text import idle_reason, no_worker_lines
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.run_list import run_object
from runner.cli.render.runs.status_lines import status_lines
from runner.cli.session.running.run_start import RunStart
from runner.cli.session.running.work import activate_run
from runner.db.runs import run_end, run_moves
from runner.db.runs.run_row import RunOptions
from runner.db.workers import workers
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from pathlib import Path

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database

JOBS: Final = 3


def without_engine(driver: RunDriver) -> Snapshot:
    """Return a run as it is seen while its state folder has no engine."""
    return replace(snapshot_of_run(driver.database, driver.run_id), is_engine_alive=False)


def move(driver: RunDriver, state: str) -> None:
    """Bring a running run to a state: a pause with its reason, or another one by name."""
    with driver.database.write() as connection:
        match state:
            case "waiting":
                run_moves.wait(connection, driver.run_id, "the API is away", NOW_MS)
            case "cancelled":
                run_moves.cancel(connection, driver.run_id, NOW_MS)
            case "running":
                pass
            case reason:
                run_moves.pause(connection, driver.run_id, PauseReason(reason), "because", NOW_MS)


@pytest.mark.parametrize(
    ("state", "job", "command"),
    [
        ("running", JobState.WAITING, "runner start 1"),
        ("running", JobState.SUCCEEDED, "runner start 1"),  # its last jobs are pending, or it has to finish
        ("waiting", JobState.SUCCEEDED, "runner start 1"),
        ("user", JobState.SUCCEEDED, None),
        ("user", JobState.WAITING, "runner resume 1"),  # paid answers that no process collects
        ("budget", JobState.COLLECTING, "runner resume 1 --budget USD"),
        ("credits", JobState.HELD, None),
        ("cancelled", JobState.WAITING, "runner start 1"),
    ],
)
def test_only_a_run_with_work_for_a_worker_misses_one(
    database: Database, state: str, job: JobState, command: str | None
) -> None:
    """And it names a command that gives it one."""
    driver = new_run(database, JOBS, RunOptions(budget_ticks=1 if state == "budget" else None))
    driver.bring(job)
    move(driver, state)

    seen = without_engine(driver)
    found = live_object(seen).no_worker

    assert (found and found.command) == command
    assert run_object(seen).no_worker == found
    assert (no_worker_lines(seen) == []) == (command is None)
    assert live_object(replace(seen, is_engine_alive=True)).no_worker is None


def test_a_run_that_is_loaded_finished_or_opened_again_misses_none(database: Database) -> None:
    """They wait for their user."""
    driver = new_run(database, 1)
    driver.bring(JobState.SUCCEEDED)
    with database.write() as connection:
        assert run_end.finish_if_done(connection, driver.run_id, NOW_MS)
    assert without_engine(driver).without_worker_since_ms is None
    with database.write() as connection:
        assert run_moves.reopen(connection, driver.run_id, NOW_MS)
    assert without_engine(driver).run.state == "ready"
    assert without_engine(driver).without_worker_since_ms is None


def test_a_run_that_was_just_started_again_misses_none_yet(database: Database) -> None:
    """Its last start counts, not its first."""
    driver = new_run(database, 1)
    with database.write() as connection:
        run_moves.pause(connection, driver.run_id, PauseReason.USER, "because", NOW_MS)
    now_ms = database.now_ms()
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE runs SET started_at_ms = {now_ms - 3_600_000}")
        connection.exec_driver_sql(f"UPDATE run_events SET at_ms = {now_ms - 3_600_000}")
        assert run_moves.start(connection, driver.run_id, now_ms)

    assert without_engine(driver).without_worker_since_ms is None


def test_the_words_are_true_while_no_worker_is_there(database: Database) -> None:
    """Nothing continues by itself, and nothing is still collected."""
    driver = new_run(database, JOBS)
    driver.bring(JobState.WAITING)
    move(driver, "waiting")
    seen = without_engine(driver)
    assert idle_reason(seen) == "waiting: the API is away"
    assert status_lines(seen, [])[-1] == "  to continue: runner start 1"
    assert max(map(len, status_lines(seen, []))) <= 80

    move(driver, "user")
    paused = without_engine(driver)
    to_continue = "to continue: runner resume 1"
    assert idle_reason(paused) == f"paused (user): because; 1 answer is not collected; {to_continue}"
    at_work = idle_reason(replace(paused, is_engine_alive=True))
    assert at_work == f"paused (user): because; still collecting 1 answer; {to_continue}"


def test_a_cancelled_run_names_what_collects_its_answers(database: Database) -> None:
    """On shared servers no command does that, but a worker."""
    driver = new_run(database, 1)
    driver.bring(JobState.WAITING)
    move(driver, "waiting")
    seen = without_engine(driver)

    assert cancelled_lines(seen)[-1].endswith("while a worker runs: runner start 1")
    assert cancelled_lines(replace(seen, is_engine_alive=None))[-1].endswith("a worker runs: runner worker")


def test_a_long_cause_is_folded_and_its_command_can_be_copied(database: Database) -> None:
    """In 80 columns, with the command on a line of its own."""
    driver = new_run(database, JOBS)
    move(driver, "user")
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET pause_text = 'paused by ann: " + "the demo " * 20 + "'")

    lines = status_lines(without_engine(driver), [])
    assert max(map(len, lines)) <= 80
    assert lines[-1].strip() == "runner resume 1"


def test_on_shared_servers_a_heartbeat_counts_and_the_command_is_a_worker(database: Database) -> None:
    """No engine is asked for."""
    driver = new_run(database, 1)
    shared = replace(without_engine(driver), is_engine_alive=None)
    assert no_worker_lines(shared)[1] == "start one: runner worker"
    with database.write() as connection:
        workers.register(connection, host="h", node="w1", pid=1, now_ms=database.now_ms())

    alive = replace(without_engine(driver), is_engine_alive=None)
    assert live_object(alive).workers == 1
    assert no_worker_lines(alive) == []


def json_of(home: LiveRunner, *words: str) -> dict[str, Any]:
    """Return the object that a command prints."""
    called = run_command([*words, "--json"], home.folder, home.env)
    found: dict[str, Any] = json.loads(called.stdout.splitlines()[-1])
    return found


def text_of(home: LiveRunner, *words: str, code: int = 0) -> str:
    """Return what a command prints on both streams."""
    return run_command(words, home.folder, home.env, code).output


def test_after_kill_9_of_everything_each_view_says_so(tmp_path: Path) -> None:
    """A detached run is at work; then it is killed; then the command that is named takes it up again."""
    write_jobs(tmp_path / "slow.jsonl", JOBS)
    with Simulator(tmp_path, "--median-s", "3600") as simulator, LiveRunner(tmp_path, simulator) as home:
        assert text_of(home, "load", "slow.jsonl")
        assert json_of(home, "start", "1", "--detach")["no_worker"] is None
        wait_until(lambda: home.accepted() == JOBS, "all answers are out")
        assert json_of(home, "status")["no_worker"] is None
        assert json_of(home, "list")["runs"][0]["no_worker"] is None

        home.kill()
        killed_ms = time.time() * 1000
        assert json_of(home, "status")["state"] == "running"
        wait_until(lambda: json_of(home, "status")["no_worker"], "no worker has the run")
        missing = json_of(home, "status")["no_worker"]
        assert missing["command"] == "runner start 1"
        last_heartbeat = home.query("SELECT MAX(seen_at_ms) FROM workers")[0][0]
        assert last_heartbeat <= killed_ms
        assert missing == json_of(home, "list")["runs"][0]["no_worker"]

        status, table = text_of(home, "status"), text_of(home, "list")
        watched = text_of(home, "watch", "1", "--timeout", "0.1s", code=7)
        assert "no worker has this run since " in status
        assert "to continue: runner start 1" in status
        assert "running, no worker" in table
        assert "run 1: no worker since " in table
        assert "no worker has this run since " in watched

        assert json_of(home, "start", "1", "--detach")["no_worker"] is None
        assert json_of(home, "status")["no_worker"] is None


def test_a_start_while_no_engine_is_there_is_on_record(database: Database) -> None:
    """So that nothing is missing while the engine is on its way."""

    class Starting:
        def is_at_work(self) -> bool:
            return False

        def wait_ready(self) -> None:
            """Be ready at once."""

    driver = new_run(database, 1)

    start = RunStart(event=event_of(driver.run_id))
    assert activate_run(database, driver.run_id, Starting(), start)  # type: ignore[arg-type]

    starts = driver.rows("SELECT cause FROM run_events WHERE kind = 'started' ORDER BY id")
    assert [row.cause for row in starts] == ["", "again"]


def test_a_watcher_sees_the_engine_go_and_come_back(tmp_path: Path) -> None:
    """As it happens: the first line says nothing of it, since a worker was there."""
    write_jobs(tmp_path / "slow.jsonl", JOBS)
    with Simulator(tmp_path, "--median-s", "3600") as simulator, LiveRunner(tmp_path, simulator) as home:
        assert text_of(home, "load", "slow.jsonl")
        assert text_of(home, "start", "1", "--detach")
        wait_until(lambda: home.accepted() == JOBS, "all answers are out")
        watcher = home.start("watch", "1")
        wait_until(lambda: "watching run 1" in watcher.output, "it watches")
        assert "no worker" not in watcher.output

        home.kill("engine", "worker", "valkey")
        wait_until(lambda: "no worker has this run since " in watcher.output, "it sees that none is there")
        assert text_of(home, "start", "1", "--detach")
        wait_until(lambda: "an engine is at work" in watcher.output, "it sees the new engine")
