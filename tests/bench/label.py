"""Labels: loading a table beside the same job lines, its size on disk, the join, and the check of answers."""

from __future__ import annotations

import json
import resource
import statistics
from typing import TYPE_CHECKING, Final

import bench_setups
from cli_calls import engine_kept
from commands import Memory, done, timed
from figures import Figure, spread
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLE: Final = "Labels: a table of 80 bytes a row, with a frame of 1.4 KB"
ROWS: Final = 100_000  # loaded
FEW_ROWS: Final = 6_000  # labeled
LOAD_PAIRS, CHECK_PAIRS = 1, 8  # of checks an even number: what goes first alternates
ROW_BYTES: Final = 80
FRAME_BYTES: Final = 1_400
LOAD_RATIO, LOADED_BYTES, LABELED_BYTES, MEMORY_BYTES = 0.8, 600, 1_700, 150e6
CHECK_RATIO: Final = 1.05
_WORDS: Final = (
    "the ferry took over for cyclists and walkers while the bridge was closed for repair in March; "
)


def measure(folder: Path) -> Iterator[Figure]:
    """Measure CPU time where one process does the work: what else the machine does, does not count."""
    yield from _loading(folder / "load")
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        yield from _labeling(folder / "label", simulator)


def write_table(folder: Path, rows: int) -> None:
    """Write a table and its recipe; the frame is mostly the system prompt."""
    folder.mkdir()
    with (folder / "table.csv").open("w") as file:
        file.write("id,text\n")
        for number in range(rows):
            head = f"{number:07},"
            file.write(head + (f"row {number:07} " + _WORDS)[: ROW_BYTES - len(head) - 1] + "\n")
    system = (_WORDS * (FRAME_BYTES // len(_WORDS) + 1))[: FRAME_BYTES - 420]
    lines = ("recipe = 1", "[table]", 'file = "table.csv"', "[prompt]", f"system = {json.dumps(system)}",
             'text = "text"', "[labels]", 'mood = "good|bad|mixed"', 'note = "text"')  # fmt: skip
    (folder / "recipe.toml").write_text("\n".join(lines) + "\n")


def write_jobs(home: LiveRunner, run_id: int, target: Path) -> None:
    """Write the job lines that a loaded table made."""
    ((head, tail),) = home.query(f"SELECT head, tail FROM frames WHERE run_id = {run_id}")
    with target.open("wb") as file:
        sql = f"SELECT job_id, body FROM payloads WHERE job_id >> 32 = {run_id} ORDER BY job_id"
        for number, (_, body) in enumerate(home.query(sql), 1):
            start = b'{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":' % number
            file.write(start + bytes(head) + bytes(body) + bytes(tail) + b"}\n")


def _cpu_s(home: LiveRunner, *words: str) -> float:
    """Run a command that does its work alone; return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done(home.start(*words), 0, 2)  # `list` without runs is 2
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _loading(folder: Path) -> Iterator[Figure]:
    write_table(folder, ROWS)
    ratios, rates = [], []
    homes = 0
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        with LiveRunner(folder, simulator) as first, Memory(first) as memory:
            idle_s = _cpu_s(first, "list")
            table_s = [_cpu_s(first, "load", "recipe.toml") - idle_s]
            loaded = _database_bytes(first) / ROWS
            write_jobs(first, 1, folder / "jobs.jsonl")
        for _ in range(LOAD_PAIRS):
            homes += 1
            env = {"RUNNER_HOME": str(folder / f"home-{homes}")}
            with LiveRunner(folder, simulator, **env) as home:
                jobs_s = _cpu_s(home, "load", "jobs.jsonl") - idle_s
                table_s.append(_cpu_s(home, "load", "recipe.toml", "--new") - idle_s)
            ratios.append(jobs_s / table_s[-1])
            rates.append(table_s[-1] * 1e6 / ROWS)
    yield Figure(
        what=f"load {ROWS:,} rows, beside the same job lines",
        found=f"{spread(ratios)} x; {spread(rates, 1)} µs of CPU a row",
        beside="the job lines = 1",
        asked=f"≥ {LOAD_RATIO:g} x",
        met=statistics.median(ratios) >= LOAD_RATIO,
        runs=LOAD_PAIRS,
    )
    yield Figure(
        what="database when loaded",
        found=f"{loaded:,.0f} bytes a row",
        asked=f"< {LOADED_BYTES:,}",
        met=loaded < LOADED_BYTES,
    )
    yield _memory("peak memory of loading", memory)


def _labeling(folder: Path, simulator: Simulator) -> Iterator[Figure]:
    write_table(folder, FEW_ROWS)
    with LiveRunner(folder, simulator, RUNNER_WORKERS="1") as home, engine_kept(home.path):
        with Memory(home) as memory:
            timed(home, "label", "recipe.toml", *NO_LIMITS)
        labeled = _database_bytes(home) / FEW_ROWS
        write_jobs(home, 1, folder / "jobs.jsonl")
        pairs = [_pair(home, number) for number in range(CHECK_PAIRS)]
        ratio = statistics.geometric_mean([checked / plain for checked, plain in pairs])
        idle_s = _cpu_s(home, "list")
        joins = [
            (_cpu_s(home, "write", "1", "-o", f"again-{n}.csv") - idle_s) * 1e6 / FEW_ROWS for n in range(3)
        ]
    yield Figure(
        what=f"a worker with a contract, beside one without, {FEW_ROWS:,} rows",
        found=f"{ratio:.2f} x; {spread([checked for checked, _ in pairs], 0)} µs of CPU a job",
        beside=f"without {spread([plain for _, plain in pairs], 0)} µs",
        asked=f"≤ {CHECK_RATIO:g} x",
        met=ratio <= CHECK_RATIO,
        runs=CHECK_PAIRS,
    )
    yield Figure(
        what="join, and write the table",
        found=f"{spread(joins, 1)} µs of CPU a row",
        runs=len(joins),
    )
    yield Figure(
        what="database when labeled",
        found=f"{labeled:,.0f} bytes a row",
        asked=f"< {LABELED_BYTES:,}",
        met=labeled < LABELED_BYTES,
    )
    yield _memory("peak memory of labeling", memory)


def _pair(home: LiveRunner, number: int) -> tuple[float, float]:
    """Return the worker's CPU time a job with a contract and without, in µs."""
    commands = {
        True: ("label", "recipe.toml", "-o", f"labeled-{number}.csv"),
        False: ("run", "jobs.jsonl", "-o", f"jobs-{number}.jsonl"),
    }
    found = {
        is_checked: _worker_us(home, *commands[is_checked])
        for is_checked in (number % 2 == 0, number % 2 == 1)
    }
    return found[True], found[False]


def _worker_us(home: LiveRunner, *words: str) -> float:
    """Run a command that lets the worker work; return the worker's CPU time a job, in µs."""
    (pid,) = home.pids("worker")
    before = bench_setups.cpu_ns(pid)
    timed(home, *words, "--new", *NO_LIMITS)
    return (bench_setups.cpu_ns(pid) - before) / 1e3 / FEW_ROWS


def _memory(what: str, memory: Memory) -> Figure:
    highest = memory.highest_bytes
    return Figure(
        what=what,
        found=memory.told(),
        asked=f"< {MEMORY_BYTES / 1e6:.0f} MB each",
        met=highest < MEMORY_BYTES,
    )


def _database_bytes(home: LiveRunner) -> int:
    """Return the size of the database, with what is still in its WAL."""
    return home.count("PRAGMA page_count") * home.count("PRAGMA page_size")
