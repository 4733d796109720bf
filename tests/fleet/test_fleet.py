"""Several hosts with one PostgreSQL and one Redis, connected by two URLs only."""

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
from live_runner import NO_LIMITS, RUN, Simulator, wait_until, write_jobs
from servers import Postgres, RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

PYTHON = Path(sys.executable).parent
NO_WORKER = "no worker is alive since"
SLOW = ("--median-s", "1.5", "--submit-ms", "20")
# Leases of a worker that sends no heartbeat hold for 30 s at least.
TIMES = {"RUNNER_LEASE_S": "28", "RUNNER_READ_TIMEOUT_S": "20", "RUNNER_CONNECT_TIMEOUT_S": "5"}


def test_hosts_know_each_other_by_two_urls_and_show_no_password(tmp_path: Path) -> None:
    """A run is loaded on one host, worked on by others, and watched on a third; no password is shown."""
    with (
        Postgres() as postgres,
        RedisServer("--requirepass", "secret-of-redis") as redis,
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3") as simulator,
    ):
        redis_url = f"redis://:secret-of-redis@127.0.0.1:{redis.port}/0"
        hosts = [Host(tmp_path / name, simulator, postgres.url, redis_url) for name in "abc"]
        with hosts[0] as here, hosts[1] as there, hosts[2] as third:
            write_jobs(here.folder / "jobs.jsonl", 200)
            assert here.start("db", "upgrade").wait() == 0
            there.worker()
            third.worker("--processes", "2")
            wait_until(lambda: here.workers() == 3, "all workers have started")
            simulator.switch(hold_after=0)
            loaded = here.start("load", "jobs.jsonl")
            assert loaded.wait() == 0
            started = here.start("start", "1", "--detach")
            assert started.wait() == 0
            at_work = "SELECT DISTINCT lease_owner FROM jobs WHERE state = 'submitting'"
            wait_until(lambda: len(here.query(at_work)) > 1, "several workers take part")
            simulator.switch(hold_after=None)
            watched = third.start("watch", "1", "--exit-status")
            doctor = there.start("doctor", "--config")
            assert watched.wait() == 0
            again = here.start(*RUN)
            assert again.wait() == 0
            assert doctor.wait() == 0
            status = there.start("status", "--json")
            assert status.wait() == 0
            assert json.loads(status.out.read_text())["workers"] == 3

            assert here.ledger_errors(simulator) == []
            assert len(there.query("SELECT DISTINCT worker FROM attempts")) > 1
            commands = [
                Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                for host in (there, third)
                for pid in host.pids("worker", "command")
            ]
    written = "".join(
        path.read_text(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix != ".db"
    )
    assert "secret-of-redis" not in written
    assert "secret-of-ann" not in written
    assert commands
    assert not [words for words in commands if "secret-of" in words]


def test_plain_celery_works_and_two_beats_do_no_harm(fleet: Callable[..., Fleet]) -> None:
    """`celery -A runner.worker worker` and `celery -A runner.worker beat`, twice."""
    made = fleet("--median-s", "0.3")
    host = made.host("a")
    write_jobs(host.folder / "jobs.jsonl", 120)
    celery = [str(PYTHON / "celery"), "-A", "runner.worker"]
    worker = host.start_command([*celery, "worker", "-n", "native@%h", "--loglevel", "WARNING"])
    beats = [host.start_command([*celery, "beat", "--loglevel", "WARNING"]) for _ in range(2)]

    assert host.start(*RUN).wait() == 0
    assert host.ledger_errors(made.simulator) == []
    assert host.query("SELECT COUNT(*) FROM run_events WHERE kind = 'finished'") == [(1,)]
    for command in (worker, *beats):
        os.kill(command.pid, signal.SIGTERM)
        assert command.wait() in (0, -signal.SIGTERM, 143), command.output
        assert "Traceback" not in command.output


def test_a_worker_that_cannot_open_its_database_ends(fleet: Callable[..., Fleet]) -> None:
    """Celery would only log the error; the process would then idle for ever, without work or watchdog."""
    host = fleet().host("a")
    celery = [str(PYTHON / "celery"), "-A", "runner.worker"]
    host.env["RUNNER_DATABASE_URL"] = f"postgresql+psycopg://ann@127.0.0.1:{free_port()}/none"

    worker = host.start_command([*celery, "worker", "-n", "late@%h", "--loglevel", "WARNING"])

    assert worker.wait() == 5
    assert "worker.stuck cause=it could not start" in worker.output


def test_nobody_at_work_is_told(fleet: Callable[..., Fleet]) -> None:
    """Every command that would wait prints that no worker runs, and when one has started."""
    made = fleet()
    made.simulator.switch(hold_after=0)
    host = made.host("a")
    write_jobs(host.folder / "jobs.jsonl", 5)
    command = host.start(*RUN)
    wait_until(lambda: NO_WORKER in command.output, "it is told that nobody is there")
    detached = host.start("start", "1", "--detach")
    assert detached.wait() == 0
    assert NO_WORKER in detached.output
    status = host.start("status")
    assert status.wait() == 0
    assert NO_WORKER in " ".join(status.output.split())
    left = host.start("watch", "1", "--timeout", "1s")
    assert left.wait() == 7
    assert NO_WORKER in left.output

    host.worker()
    wait_until(lambda: "1 worker at work" in command.output, "it is told that somebody is there")
    made.simulator.switch(hold_after=None)
    assert command.wait() == 0
    assert host.ledger_errors(made.simulator) == []


def test_without_any_beat_a_run_goes_on_and_ends(fleet: Callable[..., Fleet]) -> None:
    """Workers run the reaper themselves when no beat starts it, and do the work of a killed worker."""
    made = fleet(*SLOW)
    first, other = made.host("a", **TIMES), made.host("b", **TIMES)
    write_jobs(first.folder / "jobs.jsonl", 150)
    other.worker()
    first.worker()
    first.hold_above(60, made.simulator)
    command = first.start(*RUN)
    first.wait_for_accepted(60, command)
    other.kill()
    made.simulator.switch(hold_after=None)

    assert command.wait() == 0
    assert first.ledger_errors(made.simulator, crashed=True) == []


def test_a_worker_writes_what_has_ended(fleet: Callable[..., Fleet]) -> None:
    """The files of a finished run are written once to RUNNER_OUTPUT_DIR, named by the run, never outside."""
    made = fleet("--median-s", "0.2")
    out = made.folder / "out"
    out.mkdir()
    host = made.host("a", RUNNER_OUTPUT_DIR=str(out))
    write_jobs(host.folder / "jobs.jsonl", 20)
    host.worker("--processes", "2", "--beat")
    assert host.start("load", "jobs.jsonl", "--name", "../strange name\n").wait() == 0
    assert host.start("start", "1").wait() == 0

    wait_until(lambda: [*out.glob("*.summary.json")], "the files are written")
    (summary,) = out.glob("*.summary.json")
    assert json.loads(summary.read_text())["counts"]["succeeded"] == 20
    results = summary.with_name(summary.name.replace(".summary.json", ".jsonl"))
    assert len(results.read_text().splitlines()) == 20
    assert summary.name == "strange_name-1.results.summary.json"
    wait_until(
        lambda: host.count("SELECT COUNT(*) FROM run_events WHERE kind = 'written'"), "the event is recorded"
    )
    assert sorted(out.parent.glob("*.jsonl")) == []


def test_a_folder_that_cannot_be_written_is_told(fleet: Callable[..., Fleet]) -> None:
    """The run finishes, and a warning has the reason why there are no files."""
    made = fleet("--median-s", "0.2")
    host = made.host("a", RUNNER_OUTPUT_DIR="/proc/nowhere")
    write_jobs(host.folder / "jobs.jsonl", 3)
    host.worker("--beat")
    assert host.start(*RUN).wait() == 0

    warned = "SELECT cause FROM run_events WHERE kind = 'warning'"
    wait_until(lambda: host.query(warned), "the warning is recorded")
    ((cause,),) = host.query(warned)
    assert "could not be written" in cause
    assert host.ledger_errors(made.simulator) == []


@pytest.mark.parametrize("how", ["API", "database"])
def test_a_worker_ends_in_order_although_nothing_answers(fleet: Callable[..., Fleet], how: str) -> None:
    """With requests that get no reply, and with a database that does not answer, as long as it lives."""
    times = {"RUNNER_READ_TIMEOUT_S": "8", "RUNNER_CONNECT_TIMEOUT_S": "1", "RUNNER_LEASE_S": "12"}
    made = fleet("--median-s", "0.5")
    host = made.host("a", **times)
    write_jobs(host.folder / "jobs.jsonl", 100)
    worker = host.worker("--beat")
    made.simulator.switch(hold_after=30)
    command = host.start(*RUN)
    host.wait_for_accepted(30, command)
    with psycopg.connect(host.database_url.replace("+psycopg", "")) as holder:
        if how == "API":
            sending = "SELECT COUNT(*) FROM jobs WHERE state = 'submitting'"
            wait_until(lambda: host.count(sending), "requests wait for a reply")
        else:
            made.simulator.switch(hold_after=None)
            holder.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        os.kill(worker.pid, signal.SIGTERM)

        assert worker.wait() == 143, worker.output
    made.simulator.switch(hold_after=None)
    leased = "SELECT COUNT(*) FROM jobs WHERE state = 'pending' AND lease_owner IS NOT NULL"
    assert how == "database" or host.count(leased) == 0
    for name in times:  # it may answer late from now on
        del host.env[name]
    host.worker("--beat")
    assert command.wait() == 0
    assert host.ledger_errors(made.simulator, crashed=True) == []


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)], ids=["HUP", "TERM"]
)
def test_a_worker_process_ends_in_order_by_any_signal(
    fleet: Callable[..., Fleet], number: signal.Signals
) -> None:
    """The process drains, and made parent starts another; five signals in a row do the same as one."""
    made = fleet(*SLOW)
    host = made.host("a")
    write_jobs(host.folder / "jobs.jsonl", 100)
    host.worker("--beat")
    host.hold_above(30, made.simulator)
    command = host.start(*RUN)
    host.wait_for_accepted(30, command)
    (child,) = [pid for pid in host.pids("worker") if b"-c" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for _ in range(5):
        os.kill(child, number)
    made.simulator.switch(hold_after=None)

    wait_until(lambda: host.workers() == 2, "another process has started")
    assert command.wait() == 0
    assert host.ledger_errors(made.simulator) == []
    assert made.simulator.books()["accepted"] == 100
    assert host.query("SELECT COUNT(*) FROM workers WHERE ended_at_ms IS NULL") == [(1,)]
