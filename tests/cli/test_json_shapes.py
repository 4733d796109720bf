"""What every command prints with `--json` matches docs/json.schema.json, in every state of a run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jsonschema
import pytest
from cli_calls import engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from test_front_page import commands
from valkey_server import valkey_server

from tools.docs.json_schema import OF_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import PostgresServer

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json.schema.json").read_bytes())
FILE = ("run", "jobs.jsonl", "-o", "out.jsonl")
WITHOUT_JSON = {"db", "completion", "compile"}  # a group, a script for a shell, job lines


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, LiveRunner]]:
    """Return a simulator and a state folder, with a job file in which some lines fail."""
    folder = tmp_path_factory.mktemp("shapes")
    write_jobs(folder / "jobs.jsonl", 12)
    with (folder / "jobs.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "unsafe", "model": "grok-4.3", "prompt": "[simulate:safety]"}\n')
        file.write('{"id": "cut", "model": "grok-4.6", "prompt": "x", "max_completion_tokens": 2}\n')
    (folder / "bad.jsonl").write_text('{"id": "a"}\n{"id": "b", "prompt": "x", "temprature": 1}\n')
    write_jobs(folder / "slow.jsonl", 40)
    with (
        Simulator(folder, *NO_LIMITS, "--instant") as simulator,
        LiveRunner(folder, simulator) as made,
        engine_kept(made.path),
    ):
        yield simulator, made


def json_of(home: LiveRunner, *words: str, code: int = 0) -> list[Any]:
    """Run a command with --json; validate each object against its schema, and return them."""
    command = run_command([*words, "--json"], home.folder, home.env, code)
    objects = [json.loads(line) for line in command.stdout.splitlines()]
    assert objects, command.output
    name = "db upgrade" if words[0] == "db" else words[0]
    for value in objects:
        _validate(value, "error" if "error" in value else name)
    return objects


def _validate(value: Any, shape: str) -> None:
    """Validate an object against its schema. The schema itself is checked once, in a test of its own."""
    schema = {"$ref": f"#/$defs/{shape}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_every_command_with_json_has_a_shape() -> None:
    """And every schema has a command."""
    found = {
        name
        for name, command in commands().items()
        if any("--json" in parameter.opts for parameter in command.params)
        and not (isinstance(command, click.Group) and not command.invoke_without_command)
    }
    assert found == set(OF_COMMANDS)
    assert set(commands()) - found == WITHOUT_JSON
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_before_there_is_anything(tmp_path: Path) -> None:
    """Errors are objects as well."""
    with Simulator(tmp_path) as simulator, LiveRunner(tmp_path, simulator) as home:
        assert json_of(home, "status", code=2)[0]["error"]["fix"]
        assert json_of(home, "show", code=2)[0]["error"]["exit_code"] == 2
        json_of(home, "doctor")
        assert json_of(home, "db", "upgrade")[0]["before"] is None
        assert json_of(home, "list")[0]["runs"] == []


def test_servers_print_one_object_when_they_are_ready(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """One object when they are ready, and nothing else on stdout until they end."""
    with postgres_server.fresh("migrated") as url, valkey_server() as valkey:
        shared = {"RUNNER_DATABASE_URL": url, "RUNNER_REDIS_URL": valkey.url}
        with Simulator(tmp_path) as simulator, LiveRunner(tmp_path, simulator, **shared) as home:
            for words in (("simulate", "--port", "0"), ("worker", "--processes", "2", "--beat")):
                server = home.start(*words, "--json")
                wait_until(server.out.read_text, f"{words[0]} is ready")
                os.kill(server.pid, signal.SIGTERM)
                assert server.wait() in (0, 143), server.output
                (line,) = server.out.read_text().splitlines()
                _validate(json.loads(line), words[0])


@pytest.mark.timeout(600)  # some thirty commands
def test_a_run_from_its_file_to_its_removal(place: tuple[Simulator, LiveRunner]) -> None:
    """Check, load, run, every reading command, retry, remove."""
    _, home = place
    json_of(home, "check", "jobs.jsonl")
    (found,) = json_of(home, "check", "bad.jsonl", code=3)
    assert found["bad"]["total"] == 1
    assert json_of(home, "load", "bad.jsonl", code=3)[0]["error"]["where"]
    (loaded,) = json_of(home, "load", "jobs.jsonl", "--name", "shapes")
    run = str(loaded["run"])
    json_of(home, "status", run)
    (summary,) = json_of(home, *FILE, "--name", "shapes", "--budget", "5", code=1)
    assert summary["budget"]["ticks"] == 5 * 10**10
    (live,) = json_of(home, "status", "shapes")
    assert live["states"]["failed"] == 1
    for words in (
        ("summary", run),
        ("summary", run, "--ids", "length"),
        ("show", run, "cut"),
        ("show", run, "unsafe"),
        ("list",),
        ("jobs", run),
        ("jobs", run, "--content", "--limit", "2"),
        ("events", run),
        ("events",),
        ("workers",),
        ("costs",),
        ("costs", run, "--by", "day"),
        ("set", run),
        ("set", "--team"),
        ("write", run, "-o", "again.jsonl"),
        ("doctor", "--config"),
        ("retry", run, "--failed", "--dry-run"),
        ("cancel", run, "--dry-run", "--yes"),
        ("rm", run, "--dry-run"),
        ("prune", "--dry-run"),
    ):
        json_of(home, *words, code=2 if words[0] == "cancel" else 0)
    json_of(home, "watch", run)
    json_of(home, "start", run, code=1)
    json_of(home, "retry", run, "--failed", "--yes")
    json_of(home, "cancel", run, "--yes")
    json_of(home, "rm", run, "--yes")


def test_a_run_that_is_paused_resumed_and_cancelled(place: tuple[Simulator, LiveRunner]) -> None:
    """Live numbers while answers are outstanding, and the object of a command that ends before the run."""
    simulator, home = place
    simulator.switch(median_s=3600)
    assert json_of(home, "run", "slow.jsonl", "-o", "slow.out.jsonl", "--timeout", "1s", code=7)
    run = "slow"
    json_of(home, "start", run, "--detach")
    wait_until(lambda: json_of(home, "status", run)[-1]["out"]["answers"], "answers are outstanding")
    json_of(home, "pause", run)
    json_of(home, "pause", "--all", "--yes")
    json_of(home, "resume", "--all", "--dry-run")
    json_of(home, "resume", "--all", "--yes")
    json_of(home, "pause", run)
    json_of(home, "resume", run, "--detach", "--rpm", "600")
    lines = json_of(home, "watch", run, "--timeout", "1s", "--interval", "0.5s", "--exit-status", code=7)
    assert len(lines) > 1
    json_of(home, "cancel", run, "--now", "--yes")
    assert json_of(home, "status", run)[0]["state"] == "cancelled"
    simulator.switch(median_s=0)
