"""`--dry-run --json` of every command that has both: one JSON object on stdout, and nothing is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
from cli_calls import run_command
from labeled_run import labeled_run, recipe_of
from live_runner import KEY
from run_driver import NOW_MS, new_run
from servers import RedisServer
from sqlalchemy import text
from test_front_page import commands

from runner.db.runs import run_end, run_moves
from runner.db.session import Database
from runner.db.tables import Base
from runner.db.workers import workers
from runner.rules.exit_codes import ExitCode
from runner.rules.labels.row_status import RowStatus
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_calls import Called
    from conftest import PostgresServer

SCHEMA: Final = json.loads((Path(__file__).parents[2] / "docs" / "json.schema.json").read_bytes())
SCENES: Final = {  # by command: calls that would change something
    "pause": ("--all",),
    "resume": ("--all",),
    "cancel": ("at-work", "at-work --now", "at-work --model grok-4.3"),
    "retry": ("at-work --failed", "at-work --failed --set-model grok-4.5", "labeled --judge --no-repair"),
    "rm": ("ended",),
    "prune": ("--older-than 1s",),
    "set": ("at-work --rpm 60 --budget 5", "--team --rpm 60"),
    "workers drain": ("--all", "w1@alpha"),
}
IDLE: Final = {  # calls that would change nothing, where no run is at work and no worker is there
    "pause": "--all",
    "resume": "--all",
    "prune": "--older-than 1s",
    "workers drain": "--all",
    "cancel": "1",
    "retry": "1 --failed",
    "rm": "1",
    "set": "1 --rpm 60",
}


class Servers:
    """A shared database and Redis, in which no worker lives."""

    def __init__(self, folder: Path, url: str, redis: RedisServer) -> None:
        self.folder, self.database = folder, Database(url)
        self.env = {
            "RUNNER_HOME": str(folder / "home"), "XAI_API_KEY": KEY, "PATH": os.environ["PATH"],
            "RUNNER_DATABASE_URL": url, "RUNNER_REDIS_URL": redis.url,
        }  # fmt: skip

    def rows(self) -> dict[str, list[Any]]:
        """Return all rows of all tables, by table."""
        with self.database.read() as connection:
            return {
                name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]
                for name in Base.metadata.tables
            }

    def call(self, command: str, words: str) -> Called:
        """Give a command with --dry-run and --json; it ends with any exit code."""
        every = (*command.split(), *words.split(), "--dry-run", "--json")
        return run_command(every, self.folder, self.env, *ExitCode)


@pytest.fixture
def servers(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Servers]:
    """Yield servers of their own, with no runs."""
    with postgres_server.fresh("migrated") as url, RedisServer() as redis:
        made = Servers(tmp_path, url, redis)
        yield made
        made.database.close()


@pytest.fixture
def used(servers: Servers) -> Servers:
    """Return servers with runs: at work, ended, labeled, paused by a user and by a budget; and a worker."""
    database = servers.database
    body = b'{"model": "grok-4.3", "messages": [{"role": "user", "content": "Say 1."}]}'
    at_work = new_run(database, 4, body=body)
    for state in (JobState.FAILED, JobState.WAITING):
        at_work.bring(state)
    ended = new_run(database, 1)
    ended.bring(JobState.SUCCEEDED)
    table = servers.folder / "t.csv"
    labeled = labeled_run(database, table, [RowStatus.OK], recipe=recipe_of(ask={"repair": True, "reask": 0}))
    with database.write() as connection:
        assert all(run_end.finish_if_done(connection, run, NOW_MS) for run in (ended.run_id, labeled.run_id))
    for why in (PauseReason.USER, PauseReason.BUDGET):
        paused = new_run(database, 2)
        with database.write() as connection:
            run_moves.pause(connection, paused.run_id, why, "enough", NOW_MS)
    with database.write() as connection:
        for run, name in ((at_work, "at-work"), (ended, "ended"), (labeled, "labeled")):
            connection.execute(
                text("UPDATE runs SET name = :name, finished_at_ms = finished_at_ms * 0 + 1 WHERE id = :id"),
                {"name": name, "id": run.run_id},
            )
        workers.register(connection, host="alpha", node="w1@alpha", pid=7, now_ms=database.now_ms())
    return servers


def validated(command: str, done: Called) -> Any:
    """Return the only object that a command printed, after comparing it with its schema."""
    (line,) = done.stdout.splitlines()
    value = json.loads(line)
    shape = "error" if "error" in value else command
    schema = {"$ref": f"#/$defs/{shape}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def test_every_command_with_dry_run_is_among_the_scenes() -> None:
    """A new one belongs there, with each of its ways to change something."""
    flags = {
        name: {flag for param in each.params for flag in param.opts} for name, each in commands().items()
    }
    with_dry_run = {name for name, of in flags.items() if "--dry-run" in of}

    assert with_dry_run == set(SCENES) == set(IDLE)
    assert [name for name in sorted(with_dry_run) if "--json" not in flags[name]] == []


@pytest.mark.parametrize(
    ("command", "words"), [(name, one) for name, every in SCENES.items() for one in every]
)
def test_a_dry_run_prints_one_object_and_changes_nothing(used: Servers, command: str, words: str) -> None:
    """Not a word beside it on stdout, nor without a terminal a question."""
    before = used.rows()
    done = used.call(command, words)

    assert (done.code, done.stderr) == (0, "")
    value = validated(command, done)
    assert value["done"] is False if command == "set" else value["would"]
    assert used.rows() == before


@pytest.mark.parametrize("command", IDLE)
def test_a_dry_run_of_nothing_prints_one_object_as_well(servers: Servers, command: str) -> None:
    """Of the same shape as that of something; or the error, as an object."""
    value = validated(command, servers.call(command, IDLE[command]))

    assert ("error" in value) == ("--" not in IDLE[command] or command in {"retry", "set"})
    assert "error" in value or value["would"]


def test_a_dry_run_of_all_runs_names_them_and_those_that_stay(used: Servers) -> None:
    """So that a script needs no words."""
    paused, resumed = (validated(name, used.call(name, "--all")) for name in ("pause", "resume"))

    assert [run["name"] for run in paused["runs"]] == ["at-work"]
    assert [run["run"] for run in resumed["runs"]] == [4]
    assert [(run["run"], run["paused_by"]) for run in resumed["left"]] == [(5, "budget")]
    drained = validated("workers drain", used.call("workers drain", "--all"))
    assert (drained["draining"], drained["already"]) == (["w1@alpha"], [])
