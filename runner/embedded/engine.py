"""The engine: the one background process of a state folder. It supervises Valkey and the workers.

It ends when no command watches it and no detached run needs it. Commands start it through engine_client.py:
`python -m runner.embedded.engine [worker command …]`.
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
from typing import TYPE_CHECKING, Final

from runner import __version__
from runner import settings as settings_of
from runner.embedded import bug_report, engine_record, log_redaction, processes, system_errors, valkey
from runner.embedded.children import ChildProcesses
from runner.embedded.gc_pause import gc_paused
from runner.embedded.stall_detection import StallDetector
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.session import Database
    from runner.embedded.file_lock import FileLock
    from runner.embedded.workload import Workload
    from runner.settings import Settings

TICK_S: Final = 0.05
CHECK_S: Final = 1.0
SECOND_WORKER_FROM_JOBS: Final = 500
DRAIN_S: Final = 75.0
IDLE_DRAIN_S: Final = 2.0
LOG_BYTES_MAX: Final = 5 << 20
log = logging.getLogger("runner.engine")


class Engine:
    """Owns the child processes from `begin` to `end`. The caller holds the engine lock all the time."""

    def __init__(self, settings: Settings, home: StateFolder, worker_command: Sequence[str]) -> None:
        self._settings = settings
        self._home = home
        self._token = secrets.token_hex(16)
        self._attached = home.attached_lock()
        self._children = ChildProcesses(home, self._token, worker_command)
        self._started_at = time.time()
        self._checked_at = 0.0
        self._workload: Workload | None = None
        self._stall_detector = StallDetector()
        self._is_stopped = False
        self._on_end_thread = threading.Thread()  # a placeholder, never started
        self._wakeup_read_fd, self._wakeup_write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @cached_property
    def _database(self) -> Database:
        """Open the database on first use: the child processes start before SQLAlchemy is imported."""
        from runner.db.session import Database

        return Database(self._settings.effective_database_url)

    def stop(self) -> None:
        """Make `work` return soon. Safe in a signal handler."""
        self._is_stopped = True

    def begin(self) -> None:
        """Start the child processes, upgrade the database, recover orphaned jobs. Raises UserError."""
        self._kill_orphans()
        signal.set_wakeup_fd(self._wakeup_write_fd, warn_on_full_buffer=False)
        self._children.add_worker()  # loads its modules during the upgrade, then waits for release_workers
        self._children.start_valkey()
        with gc_paused():
            from runner.db import migrate

        migrate.upgrade(self._database, self._home.path)
        self._recover()
        self._children.wait_for_valkey()
        self._children.release_workers()
        self._write_record()
        log.info("engine.ready pid=%d", os.getpid())

    def work(self) -> None:
        """Replace child processes that die, until `stop` is called or no command needs the engine.

        Raises UserError when child processes die too often, or the database is removed or replaced.
        """
        while not self._is_stopped and not self._can_end():
            select.select([self._wakeup_read_fd], [], [], TICK_S)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup_read_fd, 512)
            self._database.check_file()
            self._replace_dead()
            if time.monotonic() - self._checked_at > CHECK_S:
                self._check()
                self._add_workers()
                self._start_on_end()
                rotate_logs(self._home)

    def end(self) -> None:
        """Let the workers finish what is in flight, then end all child processes."""
        engine_record.remove(self._home.engine_json, self._token)
        self._children.end(DRAIN_S if self._can_finish_work() else IDLE_DRAIN_S)
        engine_record.remove_token(self._home.engine_token, self._token)
        self._database.close()
        log.info("engine.ended pid=%d", os.getpid())

    def _can_finish_work(self) -> bool:
        """Return whether there is work in flight, and a database for it."""
        try:
            self._check()
        except Exception:  # noqa: BLE001 - without a database nothing can be finished
            return False
        return self._workload is not None and self._workload.has_work

    def explained(self, error: Exception) -> Exception:
        """Return an error of the database as a UserError; any other as it is."""
        from sqlalchemy.exc import DBAPIError

        return self._database.explained(error) if isinstance(error, DBAPIError) else error

    def _kill_orphans(self) -> None:
        self._home.engine_json.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            killed = processes.kill_orphans(self._home.engine_token.read_text(encoding="ascii"))
            log.info("engine.orphans_killed count=%d", killed)
        valkey.stop(self._home)
        self._home.engine_token.write_text(self._token, encoding="ascii")

    def _replace_dead(self) -> None:
        if self._children.valkey_died():
            self._children.start_valkey()
            self._children.wait_for_valkey()
            self._write_record()
        dead = self._children.dead_workers()
        if dead:
            self._recover()
            for index in dead:
                self._children.replace_worker(index)
            self._write_record()

    def _recover(self) -> None:
        from runner.engine.process.host_id import EMBEDDED
        from runner.engine.recovery.dead_workers import recover_host
        from runner.engine.runs.cost_bounds import PriceBasis

        settings, now_ms = self._settings, self._database.now_ms()
        price_basis = PriceBasis.of(settings.base_url, settings.prices)
        recover_host(self._database, self._home.spool, EMBEDDED, now_ms, price_basis)

    def _check(self) -> None:
        """Read the workload; kill workers whose heartbeat has stalled."""
        from runner.db.workers import workers
        from runner.embedded import workload
        from runner.engine.process.host_id import EMBEDDED

        self._workload = workload.read(self._database)
        self._checked_at = time.monotonic()
        with self._database.read() as connection:
            heartbeats = workers.heartbeats_by_pid(connection, EMBEDDED)
        running = self._children.workers
        stalled_pids = self._stall_detector.stalled(heartbeats, [worker.pid for worker in running])
        self._children.kill_workers(running, stalled_pids)

    def _add_workers(self) -> None:
        wanted = self._settings.worker_processes
        if wanted is None:
            jobs = self._workload.jobs_to_submit + self._workload.jobs_in_flight if self._workload else 0
            wanted = 2 if jobs >= SECOND_WORKER_FROM_JOBS else 1
        if len(self._children.workers) < wanted:
            while len(self._children.workers) < wanted:
                self._children.add_worker()
            self._write_record()

    def _start_on_end(self) -> None:
        """Call the --on-end commands of detached runs that no command follows, in a thread."""
        if self._on_end_thread.is_alive() or not self._home.detached.exists():
            return
        self._on_end_thread = threading.Thread(
            target=_call_on_end, args=[self._database, self._home], name="on-end", daemon=True
        )
        self._on_end_thread.start()

    def _can_end(self) -> bool:
        """Return whether no command and no detached run needs the engine; if so, keep the attached lock.

        With that lock taken, a command that starts now waits until this engine has ended.
        """
        if not self._attached.try_acquire_exclusive():
            return False
        if self._home.detached.exists():
            if self._workload is None or not self._workload.has_work:
                self._check()  # a run may have started since the last check
            if self._workload and self._workload.has_work:
                self._attached.release()
                return False
            if self._on_end_thread.is_alive():
                self._on_end_thread.join()  # it may have looked before the last run ended
            self._start_on_end()
            self._on_end_thread.join()
            self._home.detached.unlink(missing_ok=True)
        return True

    def _write_record(self) -> None:
        key = self._settings.api_key
        engine_record.write(
            self._home.engine_json,
            engine_record.EngineRecord(
                pid=os.getpid(),
                started_at=self._started_at,
                socket=str(self._home.socket),
                valkey=self._children.valkey_pid,
                workers=tuple(worker.pid for worker in self._children.workers),
                key_fingerprint=key.fingerprint if key else None,
                base_url=self._settings.base_url,
                token=self._token,
                version=__version__,
            ),
        )


def _call_on_end(database: Database, home: StateFolder) -> None:
    from runner.embedded import on_end

    for problem in on_end.call_for_detached(database, home, to=sys.stderr):
        log.warning("on_end.failed cause=%s", problem)


def rotate_logs(home: StateFolder) -> None:
    """Copy each log over LOG_BYTES_MAX to one older file and truncate it: several processes append to it."""
    for path in (home.engine_log, home.valkey_log):
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def main() -> int:
    """Run the engine of the configured state folder, unless one runs already; return the exit code."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its INFO lines are of no use here
    try:
        _run()
    except Exception as error:  # noqa: BLE001 - top of the process: log what happened, a bug with its report
        known = error if isinstance(error, UserError) else system_errors.known(error)
        if known is None:
            log.error("engine.bug cause=%s report=%s", *bug_report.write(error))
            return ExitCode.BUG
        log.error("%s; %s", "; ".join((known.what, *known.where)), known.fix)
        return known.exit_code
    return ExitCode.OK


def _run() -> None:
    settings = settings_of.load_here()
    log_redaction.install(settings.secrets)
    home = StateFolder(settings.home)
    home.prepare()
    lock = home.engine_lock()
    if not _try_lock(lock):
        return
    rotate_logs(home)
    engine = Engine(settings, home, sys.argv[1:] or processes.WORKER_COMMAND)
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, lambda *_: engine.stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that a child's death wakes the loop
    try:
        engine.begin()
        engine.work()
    except Exception as error:
        explained = engine.explained(error)
        if explained is error:
            raise
        raise explained from error
    finally:
        engine.end()


def _try_lock(lock: FileLock) -> bool:
    """Try to take the engine lock; a few times, as a command that tests the lock holds it for a moment."""
    for _ in range(5):
        if lock.try_acquire_exclusive():
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    sys.exit(main())
