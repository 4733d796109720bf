"""A million jobs: loading, the first request after a start, memory and disk space."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

import bench_jobs
import bench_setups
import images
import yardsticks
from commands import Memory, done, rest, timed
from figures import Figure
from hosts import Host
from live_runner import LiveRunner, Simulator, wait_until
from servers import Postgres, RedisServer

from runner.db import migrate
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLE: Final = "A million jobs with bodies of 600 bytes"
COUNT: Final = 1_000_000
RAW_COUNT: Final = 200_000  # rows of the yardstick; fewer rows make it a little faster
LOAD_RATIO, FIRST_S, MEMORY_BYTES = 0.5, 2.0, 150e6
AT_WORK_S: Final = 8.0


def measure(folder: Path) -> Iterator[Figure]:
    """Load and start, first in a state folder, then on servers."""
    jobs = bench_jobs.write(folder / "jobs.jsonl", COUNT)
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        yield from _in_a_state_folder(folder, jobs, simulator)
        yield from images.measure(folder, simulator)
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(*bench_setups.DURABLE))
        redis = stack.enter_context(RedisServer())
        simulator = stack.enter_context(Simulator(folder, *bench_setups.INSTANT))
        host = stack.enter_context(Host(folder / "server", simulator, postgres.url, redis.url))
        yield from _on_servers(host, jobs)


def _in_a_state_folder(folder: Path, jobs: Path, simulator: Simulator) -> Iterator[Figure]:
    with LiveRunner(_new(folder / "loaded"), simulator) as home:
        with Memory(home) as loading:
            took_s = timed(home, "load", str(jobs), "-q")
        wal_bytes = _wal_bytes(home)
        raw = folder / "raw.db"
        with closing(Database(f"sqlite:///{raw}")) as empty:
            migrate.upgrade(empty, None)
        yield _loading(
            "SQLite", COUNT / took_s, yardsticks.raw_sqlite(home.database, raw, RAW_COUNT), "executemany"
        )
        raw.unlink()
        with Memory(home) as checking:
            check_s = timed(home, "check", str(jobs), "--json")
        yield Figure(what="`runner check`", found=f"{COUNT / check_s:,.0f} lines/s")
        yield _memory("load, check", loading, checking)
        yield Figure(
            what="disk, SQLite, loaded",
            found=f"{home.database.stat().st_size / COUNT:,.0f} bytes a job",
            beside=f"the job file {jobs.stat().st_size / COUNT:,.0f}; the WAL {wal_bytes / 1e6:.0f} MB",
        )
        with Memory(home) as working:
            yield _first("SQLite, `runner start`", _begin(home, simulator))
            yield _first("SQLite, `runner start` again", _begin(home, simulator))
        yield _memory("start, engine, workers, Valkey", working)


def _on_servers(host: Host, jobs: Path) -> Iterator[Figure]:
    timed(host, "db", "upgrade")
    with Memory(host) as loading:
        took_s = timed(host, "load", str(jobs), "-q")
    raw = yardsticks.raw_copy(host.database_url.replace("+psycopg", ""), RAW_COUNT)
    yield _loading("PostgreSQL", COUNT / took_s, raw, "COPY")
    size = host.count("SELECT pg_database_size('fleet')")
    yield Figure(what="disk, PostgreSQL, loaded", found=f"{size / COUNT:,.0f} bytes a job")
    worker = host.worker("--processes", "2", "--beat")
    with Memory(host) as working:
        yield _first("PostgreSQL, `runner start`", _begin(host, None))
        done(host.start("pause", "1"))
        yield _first("PostgreSQL, `runner resume`", _begin(host, None, "resume"))
        os.kill(worker.pid, signal.SIGTERM)
        worker.process.wait(90)
    yield _memory("PostgreSQL: load, start, workers", loading, working)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _wal_bytes(home: LiveRunner) -> int:
    log = home.database.with_name("runner.db-wal")
    return log.stat().st_size if log.exists() else 0


def _loading(where: str, rate: float, raw_rate: float, how: str) -> Figure:
    return Figure(
        what=f"`runner load`, {where}",
        found=f"{rate:,.0f} jobs/s, {rate / raw_rate:.2f} x",
        beside=f"{how} of the same rows {raw_rate:,.0f}/s",
        asked=f">= {LOAD_RATIO} x",
        met=rate >= LOAD_RATIO * raw_rate,
    )


def _memory(what: str, *memories: Memory) -> Figure:
    highest = max(one.highest_bytes for one in memories)
    return Figure(
        what=f"memory of {what}",
        found=f"{highest / 1e6:.0f} MB",
        beside="; ".join(one.told() for one in memories),
        asked=f"< {MEMORY_BYTES / 1e6:.0f} MB each",
        met=highest < MEMORY_BYTES,
    )


def _first(what: str, took_s: float) -> Figure:
    return Figure(
        what=f"first request, {what}", found=f"{took_s:.2f} s", asked=f"< {FIRST_S:g} s", met=took_s < FIRST_S
    )


def _begin(home: LiveRunner, simulator: Simulator | None, word: str = "start") -> float:
    """Start the run for a while; return the seconds from the command to the first accepted request."""
    before, began = home.count("SELECT COUNT(*) FROM attempts"), time.time()
    command = home.start(word, "1", *(("-q",) if simulator else ()))
    sql = f"SELECT MIN(accepted_at_ms) FROM attempts WHERE marked_at_ms >= {int(began * 1000)}"
    wait_until(lambda: home.count(sql), f"a request is accepted; output: {command.output}")
    took_s = home.count(sql) / 1000 - began
    if simulator and not before:
        took_s = _first_accepted_at(simulator) - began
    time.sleep(AT_WORK_S)
    if command.process.poll() is None:
        os.kill(command.pid, signal.SIGINT)
    command.process.wait(90)
    if simulator:
        rest(home)
    return took_s


def _first_accepted_at(simulator: Simulator) -> float:
    with urllib.request.urlopen(simulator.url.removesuffix("/v1") + "/_books", timeout=20) as reply:
        books: dict[str, float] = json.load(reply)
        return books["first_accepted_at"]
