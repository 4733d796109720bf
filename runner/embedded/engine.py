"""The engine: the one background process of a state folder. It works while commands watch, then ends.

`python -m runner.embedded.engine [worker command …]`; the commands start it, see attach.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import select
import shutil
import signal
import sys
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner import settings as settings_of
from runner.embedded import bug_report, processes, record, valkey
from runner.embedded.crew import Crew
from runner.embedded.home import Home
from runner.embedded.importing import uncollected
from runner.embedded.silence import Silence
from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.session import Database
    from runner.embedded.lock import Lock
    from runner.embedded.workload import Workload
    from runner.settings import Settings

TICK_S: Final = 0.05
LOOK_S: Final = 1.0
SECOND_WORKER_FROM_JOBS: Final = 500
DRAIN_S: Final = 75.0
IDLE_DRAIN_S: Final = 2.0
LOG_BYTES_MAX: Final = 5 << 20
log = logging.getLogger("runner.engine")


class Engine:
    """Owns the children from `begin` to `end`; the caller holds the engine's lock throughout."""

    def __init__(self, settings: Settings, home: Home, worker_command: Sequence[str]) -> None:
        self._settings = settings
        self._home = home
        self._token = secrets.token_hex(16)
        self._attached = home.attached_lock()
        self._crew = Crew(home, self._token, worker_command)
        self._started_at = time.time()
        self._looked_at = 0.0
        self._load: Workload | None = None
        self._silence = Silence()
        self._is_stopped = False
        self._telling = threading.Thread()  # never started: nobody is told yet
        self._wake, self._wake_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @cached_property
    def _database(self) -> Database:
        """Open the database when it is first asked for: the children start while SQLAlchemy is imported."""
        from runner.db.session import Database

        return Database(self._settings.effective_database_url)

    def stop(self) -> None:
        """Make `work` return soon; callable from a signal handler."""
        self._is_stopped = True

    def begin(self) -> None:
        """Start everything. Raises UserError for what the user can mend."""
        self._clear_leftovers()
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        self._crew.add_worker()  # it loads its modules while the database is made ready, and waits for a word
        self._crew.start_valkey()
        with uncollected():
            from runner.db import migrate

        migrate.upgrade(self._database, self._home.path)
        self._recover()
        self._crew.wait_for_valkey()
        self._crew.begin()
        self._tell()
        log.info("engine.ready pid=%d", os.getpid())

    def work(self) -> None:
        """Mend what dies, until a signal comes or nobody watches any more. Raises UserError to give up."""
        while not self._is_stopped and not self._is_left_alone():
            select.select([self._wake], [], [], TICK_S)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 512)
            self._mend()
            if time.monotonic() - self._looked_at > LOOK_S:
                self._look()
                self._staff()
                self._tell_ends()
                rotate(self._home)

    def end(self) -> None:
        """Let the workers finish what is in flight, then end everything."""
        self._home.engine_json.unlink(missing_ok=True)
        with contextlib.suppress(Exception):  # without a database nothing can be finished: end at once
            self._look()
        is_idle = self._load is None or not self._load.is_any
        self._crew.end(IDLE_DRAIN_S if is_idle else DRAIN_S)
        self._home.engine_token.unlink(missing_ok=True)
        self._database.close()
        log.info("engine.ended pid=%d", os.getpid())

    def _clear_leftovers(self) -> None:
        self._home.engine_json.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            killed = processes.kill_leftovers(self._home.engine_token.read_text(encoding="ascii"))
            log.info("engine.followed_a_dead_one killed=%d", killed)
        valkey.stop(self._home)
        self._home.engine_token.write_text(self._token, encoding="ascii")

    def _mend(self) -> None:
        if self._crew.valkey_died():
            self._crew.start_valkey()
            self._crew.wait_for_valkey()
            self._tell()
        dead = self._crew.dead_workers()
        if dead:
            self._recover()
            for place in dead:
                self._crew.replace_worker(place)
            self._tell()

    def _recover(self) -> None:
        from runner.engine.doubt import pricing_by
        from runner.engine.host import EMBEDDED
        from runner.engine.recover import recover_host

        settings, now_ms = self._settings, self._database.now_ms()
        pricing = pricing_by(settings.base_url, settings.prices)
        recover_host(self._database, self._home.spool, EMBEDDED, now_ms, pricing)

    def _look(self) -> None:
        from runner.db import workers
        from runner.embedded import workload
        from runner.engine.host import EMBEDDED

        self._load = workload.look(self._database)
        self._looked_at = time.monotonic()
        with self._database.read() as connection:
            signs = workers.signs(connection, EMBEDDED)
        crew = self._crew.workers
        self._crew.kill_workers(crew, self._silence.broken_by(signs, [worker.pid for worker in crew]))

    def _staff(self) -> None:
        wanted = self._settings.worker_processes
        if wanted is None:
            jobs = self._load.to_send + self._load.out if self._load else 0
            wanted = 2 if jobs >= SECOND_WORKER_FROM_JOBS else 1
        if len(self._crew.workers) < wanted:
            while len(self._crew.workers) < wanted:
                self._crew.add_worker()
            self._tell()

    def _tell_ends(self) -> None:
        """Call the --on-end commands of detached runs: nobody else may be there to do it."""
        if self._telling.is_alive() or not self._home.detached.exists():
            return
        self._telling = threading.Thread(target=_tell_ends, args=[self._database], name="on-end", daemon=True)
        self._telling.start()

    def _is_left_alone(self) -> bool:
        """Take the watchers' lock for good when nobody holds it, unless a detached run needs the engine."""
        if not self._attached.try_exclusive():
            return False
        if self._home.detached.exists():
            if self._load is None or not self._load.is_any:
                self._look()  # a run may have begun since the last look
            if self._load and self._load.is_any:
                self._attached.release()
                return False
            self._tell_ends()
            self._telling.join()
            self._home.detached.unlink(missing_ok=True)
        return True

    def _tell(self) -> None:
        key = self._settings.api_key
        record.write(
            self._home.engine_json,
            record.EngineRecord(
                pid=os.getpid(),
                started_at=self._started_at,
                socket=str(self._home.socket),
                valkey=self._crew.valkey_pid,
                workers=tuple(worker.pid for worker in self._crew.workers),
                key_fingerprint=key.fingerprint if key else None,
                base_url=self._settings.base_url,
                token=self._token,
            ),
        )


def _tell_ends(database: Database) -> None:
    from runner.embedded import on_end

    for trouble in on_end.call_for_detached(database, to=sys.stderr):
        log.warning("on_end.failed cause=%s", trouble)


def rotate(home: Home) -> None:
    """Keep one older file of each log. They are emptied in place: several processes append to them."""
    for path in (home.engine_log, home.valkey_log):
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def main() -> int:
    """Run the engine of the state folder in force, unless there is one; return the exit code."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its own parts at length
    settings = settings_of.load(os.environ, Path.cwd())
    home = Home(settings.home)
    home.prepare()
    lock = home.engine_lock()
    if not _took(lock):
        return 0
    rotate(home)
    engine = Engine(settings, home, sys.argv[1:] or processes.WORKER)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that a death wakes the loop
    try:
        engine.begin()
        engine.work()
    except UserError as error:
        log.error("%s; %s", error.what, error.fix)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last door: a bug is told, and its report is kept
        log.error("engine.bug cause=%s report=%s", *bug_report.write(error))
        return ExitCode.BUG
    finally:
        engine.end()
    return 0


def _took(lock: Lock) -> bool:
    """Take the engine's lock; once more if a command was just looking whether it is free."""
    for _ in range(5):
        if lock.try_exclusive():
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    sys.exit(main())
