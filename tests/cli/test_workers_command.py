"""`runner workers` and `workers drain`, without a live worker: what is listed, told and refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from actors import ANN
from cli_calls import run_command
from run_driver import new_run
from sqlalchemy import text
from test_commands import Place

from runner.cli.render.fleet.worker_list import drained_lines
from runner.cli.session.steering.drain_workers import DrainPlan, drain_workers
from runner.db.session import Database
from runner.db.workers import workers
from runner.engine.process.host_id import EMBEDDED
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import PostgresServer

HOUR_MS = 3_600_000


class SharedPlace(Place):
    """A place that uses a shared database, with no worker that lives."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.env |= {"RUNNER_DATABASE_URL": url, "RUNNER_REDIS_URL": f"unix://{folder}/none.sock"}
        self.database = Database(url)

    def register(self, node: str, **columns: Any) -> int:
        """Put a worker on record that had a heartbeat just now; change columns of its row."""
        with self.database.write() as connection:
            now_ms = self.database.now_ms()
            worker = workers.register(connection, host="alpha-1", node=node, pid=7, now_ms=now_ms)
            for name, value in columns.items():
                connection.execute(
                    text(f"UPDATE workers SET {name} = :value WHERE id = :id"), {"value": value, "id": worker}
                )
        return worker


@pytest.fixture
def shared(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[SharedPlace]:
    """Return a place with a shared database of its own."""
    with postgres_server.fresh("migrated") as url:
        made = SharedPlace(tmp_path, url)
        yield made
        made.database.close()


def test_workers_of_a_state_folder_are_shown_with_their_machine(tmp_path: Path) -> None:
    """Which the node has: a folder may have moved to another one. In the object the host is as before."""
    place = Place(tmp_path)
    place.answered()
    database = Database(f"sqlite:///{place.home / 'runner.db'}")
    with database.write() as connection:
        for machine in ("alpha", "beta"):
            workers.register(connection, host=EMBEDDED, node=f"w1@{machine}", pid=7, now_ms=database.now_ms())
    database.close()
    shown = [line.split()[:2] for line in place.call("workers").stdout.splitlines()[1:]]
    assert shown[-2:] == [["w1@alpha", "alpha"], ["w1@beta", "beta"]]
    listed = json.loads(place.call("workers --json").stdout)["workers"]
    assert [worker["host"] for worker in listed[-2:]] == [EMBEDDED, EMBEDDED]


def test_a_node_is_shown_whole(shared: SharedPlace) -> None:
    """`workers drain` takes it as it is shown; names of hosts in a cluster are long."""
    node = "w943-1@label-worker-7d9f8b6c5d-x2vkq.jobs.internal"
    shared.register(node)
    heading, below, shown, facts = shared.call("workers").stdout.splitlines()

    assert (heading, below.split()[0], shown, facts.split()[0]) == ("node", "host", node, "alpha-1")
    assert shared.call(f"workers drain {shown} --dry-run").code == 0


def listed(place: Place, words: str = "") -> dict[str, str]:
    found = json.loads(place.call(f"workers --json {words}").stdout)
    return {worker["node"]: worker["state"] for worker in found["workers"]}


def test_workers_are_listed_by_what_they_do(shared: SharedPlace) -> None:
    """Those that are gone for more than an hour are counted, unless they hold jobs or --all is given."""
    now_ms = shared.database.now_ms()
    shared.register("w1@a")
    shared.register("w2@a", seen_at_ms=now_ms - 60_000)
    shared.register("w3@a", ended_at_ms=now_ms)
    shared.register("w4@a", draining_at_ms=now_ms)
    shared.register("w5@a", ended_at_ms=now_ms - 2 * HOUR_MS)
    holding = shared.register("w6@a", seen_at_ms=now_ms - 2 * HOUR_MS)
    driver = new_run(shared.database, 1)
    driver.change(driver.bring(JobState.SUBMITTING).job_id, f"lease_owner = {holding}")
    states = {"w1@a": "alive", "w2@a": "silent", "w3@a": "ended", "w4@a": "draining", "w6@a": "silent"}
    table = shared.call("workers").stdout.splitlines()

    assert listed(shared) == states
    assert listed(shared, "--all") == {**states, "w5@a": "ended"}
    assert table[0].split() == ["node", "host", "pid", "state", "since", "in", "flight", "version"]
    assert [line.split()[0] for line in table[1:-1]] == [*states]
    assert table[-1] == "1 other worker gone for more than an hour; --all lists them"


def test_a_drain_is_recorded_once_with_who_did_it(shared: SharedPlace) -> None:
    """The second one changes nothing, and leaves no event."""
    shared.register("w1@a")
    shared.register("w2@a")
    first = json.loads(shared.call("workers drain w1@a --reason 'new disk' --json").stdout)
    again = shared.call("workers drain w1@a")
    (event,) = [json.loads(line) for line in shared.call("events --json").stdout.splitlines()]

    assert {"draining": ["w1@a"], "already": [], "too_old": [], "others": 1}.items() <= first.items()
    assert again.stderr == "w1@a is draining already\n"
    assert (event["kind"], event["run"], event["reason"]) == ("workers_drained", None, "new disk")
    assert event["new"] == {"workers": ["w1@a"]}
    assert event["actor"]["command"].startswith("runner workers drain w1@a")
    assert listed(shared) == {"w1@a": "draining", "w2@a": "alive"}


def test_of_two_drains_at_once_one_finds_the_worker_draining(shared: SharedPlace) -> None:
    """Both planned it while the worker did not drain yet; other workers are alive."""
    worker = shared.register("w1@a")
    shared.register("w2@a")
    plan = DrainPlan(nodes={worker: "w1@a"}, already=[], too_old=[])
    told = []
    for _ in range(2):
        with shared.database.write() as connection:
            told.append(drained_lines(drain_workers(connection, plan, ANN)))

    assert told[0][0].startswith("1 worker to drain")
    assert told[1] == ["w1@a is draining already"]


def test_the_last_worker_leaves_answers_that_wait(shared: SharedPlace) -> None:
    """It is said how many, and what collects them."""
    shared.register("w1@a")
    new_run(shared.database, 2).bring(JobState.WAITING)
    said = shared.call("workers drain --all").stderr

    assert "1 worker to drain" in said
    assert "no other worker is alive: 1 answer at xAI will wait for one; to start one: runner worker" in said


def test_several_workers_need_a_word(shared: SharedPlace) -> None:
    """Without a terminal --yes; --dry-run changes nothing."""
    shared.register("w1@a")
    shared.register("w2@a")
    refused = shared.call("workers drain --all")
    planned = shared.call("workers drain --all --dry-run")

    assert (refused.code, "add --yes" in refused.stderr) == (2, True)
    assert planned.stdout == "would drain 2 workers (w1@a, w2@a)\n"
    assert set(listed(shared).values()) == {"alive"}
    assert shared.call("workers drain --all --yes").code == 0
    assert set(listed(shared).values()) == {"draining"}


def test_what_cannot_drain_is_refused_or_named(shared: SharedPlace) -> None:
    """An unknown node, one that is gone, and a worker of an older version."""
    now_ms = shared.database.now_ms()
    shared.register("w1@alpha")
    shared.register("w9@alpha", ended_at_ms=now_ms)
    unknown, gone = shared.call("workers drain w1@alphas"), shared.call("workers drain w9@alpha")
    shared.register("old@alpha", version=None)
    old = shared.call("workers drain old@alpha")

    assert (unknown.code, 'did you mean "w1@alpha"?' in unknown.stderr) == (2, True)
    assert (gone.code, "worker w9@alpha is ended" in gone.stderr) == (2, True)
    assert "old@alpha runs an older version, which cannot drain; end it with SIGTERM" in old.stderr
    assert listed(shared)["old@alpha"] == "alive"
    assert shared.call("workers drain").code == 2
    assert shared.call("workers drain w1@alpha --all").code == 2


def test_the_workers_of_a_state_folder_belong_to_their_engine(tmp_path: Path) -> None:
    """They are listed, and do not drain."""
    place = Place(tmp_path)
    place.write("jobs.jsonl", '{"id": "a", "model": "grok-4.3", "prompt": "p"}\n')
    place.call("load jobs.jsonl")
    refused = place.call("workers drain --all --yes")

    assert place.call("workers").stderr == "no worker was ever at work here\n"
    assert refused.code == 2
    assert "belong to its engine" in refused.stderr
    assert "runner pause --all" in refused.stderr


def test_a_failed_print_of_a_drain_is_no_failure_of_it(shared: SharedPlace) -> None:
    """It was done; a listing that could not be printed has failed."""
    shared.register("w1@a")
    from runner.cli.main import _only_prints

    assert _only_prints(["workers"])
    assert not _only_prints(["workers", "drain", "w1@a"])
    assert run_command(["workers"], shared.folder, shared.env).code == 0
