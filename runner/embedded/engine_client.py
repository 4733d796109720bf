"""Engine client: starts the engine of a state folder and keeps it running with shared file locks.

The engine ends when no command holds them. The kernel releases the locks of a command that dies.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runner.embedded import bug_report, engine_record
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import EngineBug, Unreachable, UsageError
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.embedded.engine_record import EngineRecord
    from runner.embedded.file_lock import FileLock
    from runner.rules.errors import UserError
    from runner.settings import Settings

START_S: Final = 60.0  # an engine that ends is noticed at once; on a busy machine one takes long to start
STEP_S: Final = 0.01
RESTARTS_MAX: Final = 5
RESTARTS_WITHIN_S: Final = 60.0
LOG_LINES_SHOWN: Final = 5


class EngineClient:
    """A command's shared locks on the engine, made by `connect_engine`. Not thread-safe."""

    def __init__(self, settings: Settings, worker_command: Sequence[str]) -> None:
        self.home = StateFolder(settings.home)
        self.home.prepare()
        self._settings = settings
        self._worker_command = worker_command
        self._engine_lock = self.home.engine_lock()
        self._attached = self.home.attached_lock()
        self._watchers = self.home.watchers_lock()
        self._followed: list[FileLock] = []
        self._child_pid: int | None = None
        self._has_failed = False
        self._report: Path | None = None  # bug report of the last engine that this command started
        self._restarts: deque[float] = deque(maxlen=RESTARTS_MAX)
        self._attached.acquire_shared()  # waits for an engine that is ending
        self._watchers.acquire_shared()

    def is_engine_alive(self) -> bool:
        """Return whether an engine process exists: starting, ready or ending."""
        self._reap()
        return self._engine_lock.is_locked_exclusively()

    def start(self) -> None:
        """Wait until an engine is ready; start one if there is none.

        Raises Unreachable when none is ready within START_S, UsageError when it has another key or base URL.
        """
        log_start = self._log_size()
        deadline = time.monotonic() + START_S
        while (engine := self._ready_engine()) is None:
            if not self.is_engine_alive() and self._child_pid is None:
                self._spawn()
            if time.monotonic() > deadline:
                raise self._unreachable("the engine did not get ready", log_start)
            if self._has_failed:
                raise self._unreachable("the engine could not start", log_start)
            time.sleep(STEP_S)
        self._require_same_account(engine)

    def restart(self) -> None:
        """Start an engine after the last one was killed.

        Raises Unreachable after RESTARTS_MAX restarts within RESTARTS_WITHIN_S, and what `start` raises.
        """
        now = time.monotonic()
        if len(self._restarts) == RESTARTS_MAX and now - self._restarts[0] < RESTARTS_WITHIN_S:
            raise self._unreachable("the engine ended again and again", 0)
        self._restarts.append(now)
        self._has_failed = False
        self.start()

    def detach(self) -> None:
        """Make the engine stay without watching commands until its active runs have ended."""
        self.home.detached.touch(mode=0o600)

    def follow(self, run_id: int) -> None:
        """Leave the --on-end call of a run to this command, until it releases its locks or dies."""
        lock = self.home.followers_lock(run_id)
        lock.acquire_shared()
        self._followed.append(lock)

    def has_other_holders(self) -> bool:
        """Return whether other commands watch this engine."""
        alone = self._watchers.try_acquire_exclusive()
        self._watchers.acquire_shared()
        return not alone

    def release_and_wait(self, wait_s: float) -> bool:
        """Release the locks and wait up to `wait_s` seconds for the engine to end; return whether it ended.

        Does not wait when other commands or a detached run keep the engine.
        """
        has_others = self.has_other_holders()
        self.release()
        if has_others or self.home.detached.exists():
            return False
        deadline = time.monotonic() + wait_s
        while self.is_engine_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(STEP_S)
        return True

    def release(self) -> None:
        """Release the locks without waiting for the engine."""
        for lock in self._followed:
            lock.release()
        self._attached.release()
        self._watchers.release()

    def _ready_engine(self) -> EngineRecord | None:
        """Return the record of a ready engine; None where there is none."""
        engine = engine_record.read_alive(self.home.engine_json)
        return engine if engine is not None and self.is_engine_alive() else None

    def _require_same_account(self, engine: EngineRecord) -> None:
        key = self._settings.api_key
        different = "base URL" if engine.base_url != self._settings.base_url else ""
        if key is not None and engine.key_fingerprint != key.fingerprint:
            different = "API key"
        if different:
            raise UsageError(
                f"the engine of this state folder is at work with another {different}",
                fix="wait until its commands have ended, or name another state folder with RUNNER_HOME",
            )

    def _spawn(self) -> None:
        command = [sys.executable, "-P", "-m", "runner.embedded.engine", *self._worker_command]
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._child_pid = os.posix_spawn(  # not subprocess: the engine must outlive this command
            sys.executable,
            command,
            {**os.environ, "RUNNER_HOME": str(self.home.path)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.home.engine_log), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
        )

    def _reap(self) -> None:
        """Reap the engine that this command started, if it has ended; record whether it failed."""
        if self._child_pid is None:
            return
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self._child_pid, os.WNOHANG)
            if not pid:
                return
            self._has_failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        has_failed = self._has_failed
        self._report = bug_report.of_process(self.home.logs, self._child_pid) if has_failed else None
        self._child_pid = None

    def _log_size(self) -> int:
        return self.home.engine_log.stat().st_size if self.home.engine_log.exists() else 0

    def _unreachable(self, what: str, log_start: int) -> UserError:
        if self._report is not None:
            return EngineBug(
                f"{what}: it met a bug of its own",
                fix=f"everything done so far is saved; the report for its makers is {self._report}",
            )
        secrets = self._settings.secrets
        with contextlib.suppress(OSError):
            logged = self.home.engine_log.read_bytes()
            new = logged[log_start if log_start < len(logged) else 0 :]
            last_lines = new.decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            shown = tuple(one_line(redact(line, secrets), 300) for line in last_lines)
            return Unreachable(what, where=shown, fix=f"the whole story is in {self.home.engine_log}")
        return Unreachable(what, fix="runner doctor")


@contextmanager
def connect_engine(
    settings: Settings, *, need_engine: bool = True, worker_command: Sequence[str] = ()
) -> Iterator[EngineClient]:
    """Keep the engine of a state folder running during the block; with `need_engine` start it first.

    `worker_command`: the command of a worker process, if not runner's own. Raises what `start` raises.
    """
    client = EngineClient(settings, worker_command)
    try:
        if need_engine:
            client.start()
        yield client
    finally:
        client.release()
