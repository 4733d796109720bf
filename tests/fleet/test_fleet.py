"""Many hosts, one PostgreSQL, one Redis: two URLs are all it takes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hosts import Host
from live import NO_LIMITS, RUN, Simulator, wait_until, write_jobs
from servers import Postgres, RedisServer

from runner.cli.render.ending_text import NO_WORKERS
from runner.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

PYTHON = Path(sys.executable).parent
SLOW = ("--median-s", "1.5", "--submit-ms", "20")


def test_hosts_know_each_other_by_two_urls_and_show_no_password(tmp_path: Path) -> None:
    """Loaded here, worked on there, watched from a third place; passwords stay where they belong."""
    with (
        Postgres() as postgres,
        RedisServer("--requirepass", "secret-of-redis") as redis,
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3") as simulator,
    ):
        redis_url = f"redis://:secret-of-redis@127.0.0.1:{redis.port}/0"
        hosts = [Host(tmp_path / name, simulator, postgres.url, redis_url) for name in "abc"]
        with hosts[0] as here, hosts[1] as there, hosts[2] as third:
            write_jobs(here.folder / "jobs.jsonl", 200)
            assert here.start("db", "upgrade").ended() == 0
            there.worker()
            third.worker("--processes", "2")
            loaded = here.start("load", "jobs.jsonl")
            assert loaded.ended() == 0
            started = here.start("start", "1", "--detach")
            assert started.ended() == 0
            watched = third.start("watch", "1", "--exit-status")
            doctor = there.start("doctor", "--config")
            assert watched.ended() == 0
            again = here.start(*RUN)
            assert again.ended() == 0
            assert doctor.ended() == 0
            told = there.start("status", "--json")
            assert told.ended() == 0
            assert json.loads(told.out.read_text())["workers"] == 3

            assert here.findings(simulator) == []
            assert len(there.query("SELECT DISTINCT worker FROM attempts")) > 1
            commands = "".join(
                (folder / "cmdline").read_text(errors="replace")
                for folder in Path("/proc").glob("[0-9]*")
                if (folder / "cmdline").exists()
            )
    written = "".join(
        path.read_text(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix != ".db"
    )
    assert "secret-of-redis" not in written
    assert "secret-of-ann" not in written
    assert "secret-of" not in commands.replace("--requirepass\0secret-of-redis", "")


def test_plain_celery_works_and_two_beats_do_no_harm(fleet: Callable[..., Fleet]) -> None:
    """`celery -A runner.worker worker` and `celery -A runner.worker beat`, twice."""
    its = fleet("--median-s", "0.3")
    host = its.host("a")
    write_jobs(host.folder / "jobs.jsonl", 120)
    celery = [str(PYTHON / "celery"), "-A", "runner.worker"]
    worker = host.start_by([*celery, "worker", "-n", "native@%h", "--loglevel", "WARNING"])
    beats = [host.start_by([*celery, "beat", "--loglevel", "WARNING"]) for _ in range(2)]

    assert host.start(*RUN).ended() == 0
    assert host.findings(its.simulator) == []
    assert host.query("SELECT COUNT(*) FROM run_events WHERE kind = 'finished'") == [(1,)]
    for command in (worker, *beats):
        os.kill(command.pid, signal.SIGTERM)
        assert command.ended() in (0, -signal.SIGTERM, 143), command.said
        assert "Traceback" not in command.said


def test_nobody_at_work_is_told(fleet: Callable[..., Fleet]) -> None:
    """By every command that would wait; and when somebody comes, that is told, too."""
    its = fleet()
    host = its.host("a")
    write_jobs(host.folder / "jobs.jsonl", 5)
    command = host.start(*RUN)
    wait_until(lambda: NO_WORKERS in command.said, "it is told that nobody is there")
    detached = host.start("start", "1", "--detach")
    assert detached.ended() == 0
    assert NO_WORKERS in detached.said
    status = host.start("status")
    assert status.ended() == 0
    assert NO_WORKERS in " ".join(status.said.split())
    left = host.start("watch", "1", "--timeout", "1s")
    assert left.ended() == 7
    assert NO_WORKERS in left.said

    host.worker()
    assert command.ended() == 0
    assert "1 worker at work" in command.said
    assert host.findings(its.simulator) == []


def test_without_any_beat_a_run_goes_on_and_ends(fleet: Callable[..., Fleet]) -> None:
    """Workers notice that nobody sweeps: a killed one's work is done by the others."""
    its = fleet(*SLOW)
    first = its.host("a", RUNNER_LEASE_S="8", RUNNER_READ_TIMEOUT_S="3", RUNNER_CONNECT_TIMEOUT_S="2")
    other = its.host("b", RUNNER_LEASE_S="8", RUNNER_READ_TIMEOUT_S="3", RUNNER_CONNECT_TIMEOUT_S="2")
    write_jobs(first.folder / "jobs.jsonl", 150)
    other.worker()
    first.worker()
    command = first.start(*RUN)
    first.reach(60, command)
    other.kill()

    assert command.ended(120) == 0
    assert first.findings(its.simulator, crashed=True) == []


@pytest.mark.parametrize("name", ["reviews", "../strange name\n"])
def test_a_worker_writes_what_has_ended(fleet: Callable[..., Fleet], name: str) -> None:
    """To RUNNER_OUTPUT_DIR, once, under a name of the run's; a retry writes it again."""
    its = fleet("--median-s", "0.2")
    out = its.folder / "out"
    out.mkdir()
    host = its.host("a", RUNNER_OUTPUT_DIR=str(out))
    write_jobs(host.folder / "jobs.jsonl", 20)
    host.worker("--processes", "2", "--beat")
    assert host.start("load", "jobs.jsonl", "--name", name).ended() == 0
    assert host.start("start", "1").ended() == 0

    wait_until(lambda: [*out.glob("*.summary.json")], "the files are written")
    (summary,) = out.glob("*.summary.json")
    assert json.loads(summary.read_text())["counts"]["succeeded"] == 20
    results = summary.with_name(summary.name.replace(".summary.json", ".jsonl"))
    assert len(results.read_text().splitlines()) == 20
    assert summary.name == f"{'reviews' if name == 'reviews' else 'strange_name'}-1.results.summary.json"
    wait_until(
        lambda: host.count("SELECT COUNT(*) FROM run_events WHERE kind = 'written'"), "it is on record"
    )
    assert sorted(out.parent.glob("*.jsonl")) == []


def test_a_folder_that_cannot_be_written_is_told(fleet: Callable[..., Fleet]) -> None:
    """The run has its end, and says why there are no files."""
    its = fleet("--median-s", "0.2")
    host = its.host("a", RUNNER_OUTPUT_DIR="/proc/nowhere")
    write_jobs(host.folder / "jobs.jsonl", 3)
    host.worker("--beat")
    assert host.start(*RUN).ended() == 0

    warned = "SELECT cause FROM run_events WHERE kind = 'warning'"
    wait_until(lambda: host.query(warned), "the trouble is on record")
    ((cause,),) = host.query(warned)
    assert "could not be written" in cause
    assert host.findings(its.simulator) == []


@pytest.mark.parametrize("how", ["API", "database"])
def test_a_worker_ends_within_its_drain_time(fleet: Callable[..., Fleet], how: str, tmp_path: Path) -> None:
    """With requests in flight that are never answered, and with a database that does not answer either."""
    times = {"RUNNER_READ_TIMEOUT_S": "3", "RUNNER_CONNECT_TIMEOUT_S": "1", "RUNNER_LEASE_S": "12"}
    drain_s = load({**times, "HOME": "/"}, tmp_path).drain_s
    its = fleet("--median-s", "0.5")
    host = its.host("a", **times)
    write_jobs(host.folder / "jobs.jsonl", 300)
    worker = host.worker("--beat")
    command = host.start(*RUN)
    host.reach(30, command)
    with psycopg.connect(host.database_url.replace("+psycopg", "")) as holder:
        if how == "API":
            its.simulator.switch(faults={"hang": 1.0})
            wait_until(
                lambda: host.count("SELECT COUNT(*) FROM jobs WHERE state = 'submitting'") >= 8, "all hang"
            )
        else:
            holder.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        os.kill(worker.pid, signal.SIGTERM)

        assert worker.ended(drain_s + 3) == 143, worker.said
    its.simulator.switch(faults={})
    held = "SELECT COUNT(*) FROM jobs WHERE state = 'pending' AND lease_owner IS NOT NULL"
    assert how == "database" or host.count(held) == 0
    host.worker("--beat")
    assert command.ended(90) == 0
    assert host.findings(its.simulator, crashed=True) == []


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)], ids=["HUP", "TERM"]
)
def test_a_worker_process_ends_in_order_by_any_signal(
    fleet: Callable[..., Fleet], number: signal.Signals
) -> None:
    """It drains, and whoever keeps it alive starts another; five in a row change nothing."""
    its = fleet(*SLOW)
    host = its.host("a")
    write_jobs(host.folder / "jobs.jsonl", 100)
    host.worker("--beat")
    command = host.start(*RUN)
    host.reach(30, command)
    (child,) = [pid for pid in host.pids("worker") if b"-c" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for _ in range(5):
        os.kill(child, number)

    wait_until(lambda: host.workers() == 2, "another one has come")
    assert command.ended() == 0
    assert host.findings(its.simulator) == []
    assert its.simulator.books()["accepted"] == 100
    assert host.query("SELECT COUNT(*) FROM workers WHERE ended_at_ms IS NULL") == [(1,)]
