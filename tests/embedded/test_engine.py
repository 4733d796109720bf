"""The engine with real processes. The workers are fakes that only start, wait and end as workers do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runner import settings as settings_of
from runner.db.counts import counters
from runner.db.runs import run_end, run_moves, run_row, runs
from runner.db.session import Database
from runner.embedded import engine_record, valkey
from runner.embedded.engine import LOG_BYTES_MAX
from runner.embedded.engine_client import EngineClient, connect_engine
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import Unreachable, UsageError
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.embedded.engine_record import EngineRecord
    from runner.settings import Settings

FAKE_WORKER = """
import signal
from runner.embedded.processes import die_with_parent
die_with_parent()
signal.signal(signal.SIGTERM, lambda *_: exit(0))
while True:
    signal.pause()
"""
WATCHING_COMMAND = """
import os, sys, pathlib, signal
from runner import settings
from runner.embedded.engine_client import connect_engine
with connect_engine(settings.load(os.environ, pathlib.Path.cwd()), worker_command=sys.argv[1:]) as client:
    print(client.home.engine_json.read_text().replace(chr(10), " "), flush=True)
    signal.pause()
"""
WITHIN_S = 240.0  # long: it matters only when a test fails


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    started_s = time.monotonic()
    while not condition():
        assert time.monotonic() - started_s < WITHIN_S, "it did not become true"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def children(engine: EngineRecord) -> list[int]:
    return [engine.valkey, *engine.workers]


@pytest.fixture
def worker(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "fake_worker.py"
    script.write_text(FAKE_WORKER)
    return (sys.executable, str(script))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    home = tmp_path / "home"
    monkeypatch.setenv("XAI_API_KEY", "xai-test-key-0123456789abcdef")
    monkeypatch.setenv("RUNNER_HOME", str(home))
    yield settings_of.load(os.environ, tmp_path)
    engine = engine_record.read(home / "engine.json")
    if engine is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine.pid, signal.SIGKILL)


@pytest.fixture
def command(settings: Settings, worker: tuple[str, ...]) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts a command: it connects, prints the engine's record, and waits."""
    with contextlib.ExitStack() as stack:

        def start() -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WATCHING_COMMAND, *worker], stdout=subprocess.PIPE, text=True
                )
            )
            stack.callback(process.kill)
            return process

        yield start


def engine_of(home: StateFolder) -> EngineRecord:
    engine = engine_record.read(home.engine_json)
    assert engine is not None
    return engine


def start_run_with_one_waiting_job(settings: Settings) -> int:
    """Insert a running run with one waiting job; return its id."""
    database = Database(settings.effective_database_url)
    with database.write() as connection:
        run = runs.begin(
            connection,
            identity="0" * 64,
            name="a",
            input_path="a.jsonl",
            input_sha256="0" * 64,
            options=run_row.RunOptions(),
            now_ms=1,
        )
        run_moves.set_ready(connection, run, 1)
        assert run_moves.start(connection, run, 1)
        deltas = counters.Deltas(0)
        deltas.add(run, "state", JobState.WAITING)
        deltas.write(connection)
    database.close()
    return run


def end_run(settings: Settings, run: int) -> None:
    database = Database(settings.effective_database_url)
    with database.write() as connection:
        deltas = counters.Deltas(0)
        deltas.move_jobs(run, JobState.WAITING, JobState.SUCCEEDED)
        deltas.write(connection)
        assert run_end.finish_if_done(connection, run, 2)
    database.close()


def test_two_commands_share_one_engine(
    settings: Settings, command: Callable[[], subprocess.Popen[str]]
) -> None:
    """Several commands that start at the same time get the same engine."""
    records = [process.stdout.readline() for process in [command() for _ in range(3)] if process.stdout]

    assert len({line.split('"token"')[1] for line in records}) == 1


def test_a_second_engine_steps_back(settings: Settings, worker: tuple[str, ...]) -> None:
    """The engine lock decides; the running engine is not disturbed."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)

        second = [sys.executable, "-m", "runner.embedded.engine", *worker]
        subprocess.run(second, check=True, timeout=WITHIN_S)

        assert engine == engine_of(client.home)
        assert all(map(is_alive, [engine.pid, *children(engine)]))


def test_an_engine_ends_after_the_last_command_has_let_go(
    settings: Settings, worker: tuple[str, ...]
) -> None:
    """No process stays behind, and no record of one."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)

        assert client.release_and_wait(wait_s=WITHIN_S)

    assert not any(map(is_alive, children(engine)))
    wait_for(lambda: not is_alive(engine.pid))  # a process that exits gives its locks back first
    assert not client.home.engine_json.exists()


def test_an_engine_stays_while_another_command_watches(
    settings: Settings, worker: tuple[str, ...], command: Callable[[], subprocess.Popen[str]]
) -> None:
    """Ctrl-C in one terminal does not stop a run that another terminal watches."""
    with connect_engine(settings, worker_command=worker) as client:
        assert not client.has_other_holders()
        other = command()
        assert other.stdout
        other.stdout.readline()

        assert client.has_other_holders()
        assert not client.release_and_wait(wait_s=0)

        assert is_alive(engine_of(client.home).pid)


def test_children_die_with_a_killed_engine_and_the_command_gets_a_new_one(
    settings: Settings, worker: tuple[str, ...]
) -> None:
    """kill -9 of the engine leaves no process behind; `restart` starts another engine."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)
        os.kill(engine.pid, signal.SIGKILL)

        wait_for(lambda: not any(map(is_alive, children(engine))))
        wait_for(lambda: not client.is_engine_alive())
        client.restart()

        assert engine_of(client.home).token != engine.token
        assert client.release_and_wait(wait_s=WITHIN_S)


def test_an_engine_that_is_killed_again_and_again_is_given_up(
    settings: Settings, worker: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command restarts the engine only a limited number of times."""
    monkeypatch.setattr("runner.embedded.engine_client.RESTARTS_WITHIN_S", 600.0)
    with connect_engine(settings, need_engine=False, worker_command=worker) as client:
        client._restarts.extend([time.monotonic()] * 5)

        with pytest.raises(Unreachable, match="again and again"):
            client.restart()


def test_a_killed_command_ends_its_engine(
    settings: Settings, command: Callable[[], subprocess.Popen[str]]
) -> None:
    """After kill -9 of the only command the kernel releases its locks, and the engine ends."""
    process = command()
    assert process.stdout
    process.stdout.readline()
    engine = engine_of(StateFolder(settings.home))

    process.kill()

    wait_for(lambda: not any(map(is_alive, [engine.pid, *children(engine)])))


@pytest.mark.parametrize("victim", ["worker", "valkey"])
def test_a_killed_child_is_replaced(settings: Settings, worker: tuple[str, ...], victim: str) -> None:
    """Workers and Valkey are replaced, and engine.json has the new pids."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)
        os.kill(engine.valkey if victim == "valkey" else engine.workers[0], signal.SIGKILL)

        wait_for(lambda: set(children(engine_of(client.home))) != set(children(engine)))

        assert len(set(children(engine_of(client.home))) & set(children(engine))) == 1
        assert engine.pid == engine_of(client.home).pid
        wait_for(lambda: valkey.answers(client.home))
        assert client.release_and_wait(wait_s=WITHIN_S)


def test_a_detached_engine_stays_until_its_runs_end(settings: Settings, worker: tuple[str, ...]) -> None:
    """`start --detach` needs no terminal, and the engine still ends when its runs have ended."""
    with connect_engine(settings, worker_command=worker) as client:
        run = start_run_with_one_waiting_job(settings)
        client.detach()
        home, engine = client.home, engine_of(client.home)
    attached_lock = home.attached_lock()
    started_s = time.monotonic()
    wait_for(lambda: time.monotonic() - started_s > 0.3 or not is_alive(engine.pid))
    assert is_alive(engine.pid), "it ended without watching commands, though its run is active"
    wait_for(
        lambda: not attached_lock.is_locked_exclusively()
    )  # it takes the lock to look, and gives it back

    end_run(settings, run)

    wait_for(lambda: not is_alive(engine.pid))
    assert not home.detached.exists()


def test_a_second_worker_comes_with_many_jobs(settings: Settings, worker: tuple[str, ...]) -> None:
    """One worker is faster for a small run, two for a large one."""
    with connect_engine(settings, worker_command=worker) as client:
        assert len(engine_of(client.home).workers) == 1
        run = start_run_with_one_waiting_job(settings)
        database = Database(settings.effective_database_url)
        with database.write() as connection:
            deltas = counters.Deltas(0)
            deltas.add(run, "state", JobState.PENDING, 499)
            deltas.write(connection)
        database.close()

        wait_for(lambda: len(engine_of(client.home).workers) == 2)


def test_another_key_is_refused_while_an_engine_is_at_work(
    settings: Settings, worker: tuple[str, ...], tmp_path: Path
) -> None:
    """Two keys in one engine would spend one team's money by the other team's limits."""
    other = {**os.environ, "XAI_API_KEY": "xai-another-key-0123456789"}
    with (
        connect_engine(settings, worker_command=worker),
        pytest.raises(UsageError, match="another API key"),
        connect_engine(settings_of.load(other, tmp_path), worker_command=worker),
    ):
        pass


def test_a_worker_that_dies_at_once_again_and_again_ends_the_engine(settings: Settings) -> None:
    """The engine gives up after some deaths, and its log has the reason."""
    command = (sys.executable, "-c", "raise SystemExit('no luck today')")
    with (
        contextlib.suppress(Unreachable),  # it may have ended before this process sees that it was ready
        connect_engine(settings, worker_command=command) as client,
    ):
        wait_for(lambda: not client.is_engine_alive())
    logged = StateFolder(settings.home).engine_log.read_text()
    assert "no luck today" in logged
    assert "died again and again" in logged


def test_a_newer_database_stops_the_engine_with_a_sentence(
    settings: Settings, worker: tuple[str, ...]
) -> None:
    """An error at the engine's start is part of the command's error."""
    with connect_engine(settings, worker_command=worker) as client:
        assert client.release_and_wait(wait_s=WITHIN_S)
    database = Database(settings.effective_database_url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()

    with pytest.raises(Unreachable) as raised, connect_engine(settings, worker_command=worker):
        pass

    assert "newer runner" in " ".join(raised.value.where)


def test_unreadable_redis_data_do_not_stop_the_engine(settings: Settings, worker: tuple[str, ...]) -> None:
    """Valkey's data may be lost: when it cannot read them, they are moved away and it starts empty."""
    home = StateFolder(settings.home)
    home.prepare()
    folder = home.valkey / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_bytes(b"\x00garbage\xff" * 50)

    with connect_engine(settings, worker_command=worker) as client:
        wait_for(lambda: valkey.answers(home))
        assert client.release_and_wait(wait_s=WITHIN_S)

    assert (home.path / "valkey.unreadable").is_dir()


def test_a_long_home_has_its_socket_in_a_short_private_folder(
    tmp_path: Path, worker: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel limits the path of a unix socket to about 100 bytes."""
    long = tmp_path / ("a folder with a long name, and no plain one " * 3).strip()
    monkeypatch.setenv("RUNNER_HOME", str(long))

    with connect_engine(settings_of.load(os.environ, tmp_path), worker_command=worker) as client:
        socket = client.home.socket
        assert len(bytes(socket)) < 100
        assert socket.parent.stat().st_mode == 0o40700
        wait_for(lambda: valkey.answers(client.home))
        assert client.release_and_wait(wait_s=WITHIN_S)
    socket.parent.rmdir()


def test_the_key_is_not_in_the_environment_of_valkey(settings: Settings, worker: tuple[str, ...]) -> None:
    """Valkey does not get the API key; it has the token by which orphaned processes are found."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)
        environment = Path(f"/proc/{engine.valkey}/environ").read_bytes()

        assert b"xai-" not in environment
        assert f"RUNNER_ENGINE_TOKEN={engine.token}".encode() in environment
        assert f"RUNNER_HOME={settings.home}".encode() in environment
        assert client.release_and_wait(wait_s=WITHIN_S)


def test_sigterm_ends_an_engine_in_order(settings: Settings, worker: tuple[str, ...]) -> None:
    """An engine that receives SIGTERM ends its child processes, even while commands watch."""
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(client.home)
        os.kill(engine.pid, signal.SIGTERM)

        wait_for(lambda: not client.is_engine_alive())

        assert not any(map(is_alive, children(engine)))
        wait_for(lambda: not is_alive(engine.pid))  # a process that exits gives its locks back first
        assert "engine.ended" in client.home.engine_log.read_text()


def test_a_client_that_needs_no_engine_starts_none(settings: Settings) -> None:
    """Commands that only read need no engine."""
    with connect_engine(settings, need_engine=False) as client:
        assert isinstance(client, EngineClient)
        assert not client.is_engine_alive()


@pytest.mark.parametrize("name", ["engine.log", "valkey.log"])
def test_logs_are_rotated_while_the_engine_works(
    name: str, settings: Settings, worker: tuple[str, ...]
) -> None:
    """The old lines are in one older file; the log is truncated and written on."""
    with connect_engine(settings, worker_command=worker) as client:
        log, older = client.home.logs / name, client.home.logs / f"{name}.1"
        with log.open("ab") as file:
            file.write(b"once upon a time\n" * ((LOG_BYTES_MAX >> 4) + 1))
        wait_for(lambda: older.exists() and log.stat().st_size < LOG_BYTES_MAX)
        assert older.stat().st_size > LOG_BYTES_MAX

        os.kill(engine_of(client.home).valkey, signal.SIGTERM)  # makes a line in both logs
        wait_for(lambda: log.stat().st_size > 0)
        assert b"once upon a time" not in log.read_bytes()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_an_engine_ends_when_its_database_is_gone(
    settings: Settings, worker: tuple[str, ...], how: str
) -> None:
    """What its workers wrote would be lost. Its log says why, and no empty file takes the place."""
    home = StateFolder(settings.home)
    path = home.path / "runner.db"
    with connect_engine(settings, worker_command=worker) as client:
        engine = engine_of(home)
        if how == "replaced":
            (home.path / "copy").write_bytes(path.read_bytes())
            (home.path / "copy").replace(path)
        else:
            path.unlink()
        wait_for(lambda: not client.is_engine_alive())

    assert not any(map(is_alive, children(engine)))
    assert path.exists() == (how == "replaced")
    assert f"the database {path} was removed or replaced while it was in use" in home.engine_log.read_text()


def test_an_engine_leaves_the_records_of_another_one(settings: Settings, worker: tuple[str, ...]) -> None:
    """Its state folder was removed, and the next command made it anew."""
    home = StateFolder(settings.home)
    with connect_engine(settings, worker_command=worker) as client:
        record = home.engine_json.read_text().replace(engine_of(home).token, "another")
        home.engine_json.write_text(record)
        home.engine_token.write_text("another")
        (home.path / "runner.db").unlink()
        wait_for(lambda: not client.is_engine_alive())

    assert home.engine_json.read_text() == record
    assert home.engine_token.read_text() == "another"
    home.engine_json.unlink()
