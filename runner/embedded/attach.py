"""A command's hold on the engine: while it lasts the engine stays; the kernel lets go if the command dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runner.embedded import bug_report, record
from runner.embedded.home import Home
from runner.rules.errors import EngineBug, Unreachable, UsageError
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.embedded.record import EngineRecord
    from runner.rules.errors import UserError
    from runner.settings import Settings

START_S: Final = 15.0
STEP_S: Final = 0.01
REVIVALS_MAX: Final = 5
REVIVALS_WITHIN_S: Final = 60.0
LINES_TOLD: Final = 5


class Attachment:
    """Made by `attach`. All its methods are for one thread."""

    def __init__(self, settings: Settings, worker: Sequence[str]) -> None:
        self.home = Home(settings.home)
        self.home.prepare()
        self._settings = settings
        self._worker = worker
        self._engine = self.home.engine_lock()
        self._attached = self.home.attached_lock()
        self._watchers = self.home.watchers_lock()
        self._child: int | None = None
        self._failed = False
        self._report: Path | None = None  # of the bug that the last engine of this command met
        self._revivals: deque[float] = deque(maxlen=REVIVALS_MAX)
        self._attached.shared()  # waits for an engine that is ending
        self._watchers.shared()

    def alive(self) -> bool:
        """Say whether an engine lives, be it ready, starting or ending."""
        self._reap()
        return self._engine.is_held_alone()

    def start(self) -> None:
        """See to it that an engine is ready: join the one there is, else start one.

        Raises Unreachable when none gets ready within START_S, UsageError when it has another key or URL.
        """
        log_from = self._log_size()
        deadline = time.monotonic() + START_S
        while (found := self._ready()) is None:
            if not self.alive() and self._child is None:
                self._spawn()
            if time.monotonic() > deadline:
                raise self._unreachable("the engine did not get ready", log_from)
            if self._failed:
                raise self._unreachable("the engine could not start", log_from)
            time.sleep(STEP_S)
        self._compare(found)

    def revive(self) -> None:
        """Start an engine again after it was killed; at most REVIVALS_MAX times in REVIVALS_WITHIN_S."""
        now = time.monotonic()
        if len(self._revivals) == REVIVALS_MAX and now - self._revivals[0] < REVIVALS_WITHIN_S:
            raise self._unreachable("the engine ended again and again", 0)
        self._revivals.append(now)
        self._failed = False
        self.start()

    def detach(self) -> None:
        """Ask the engine to stay when nobody watches, until the runs at work have ended."""
        self.home.detached.touch(mode=0o600)

    def others(self) -> bool:
        """Say whether other commands watch too."""
        alone = self._watchers.try_exclusive()
        self._watchers.shared()
        return not alone

    def end(self, wait_s: float) -> bool:
        """Let go; unless others keep the engine, wait until it has ended. Return whether it has."""
        others = self.others()
        self.let_go()
        if others or self.home.detached.exists():
            return False
        deadline = time.monotonic() + wait_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(STEP_S)
        return True

    def let_go(self) -> None:
        """Give up the hold, without waiting for anything."""
        self._attached.release()
        self._watchers.release()

    def _ready(self) -> EngineRecord | None:
        """Return what a ready engine says of itself; what a killed one left does not count."""
        found = record.read(self.home.engine_json)
        if found is None or not self.alive():
            return None
        try:
            os.kill(found.pid, 0)
        except OSError:
            return None
        return found

    def _compare(self, found: EngineRecord) -> None:
        key = self._settings.api_key
        other = "base URL" if found.base_url != self._settings.base_url else ""
        if key is not None and found.key_fingerprint != key.fingerprint:
            other = "API key"
        if other:
            raise UsageError(
                f"the engine of this state folder is at work with another {other}",
                fix="wait until its commands have ended, or name another state folder with RUNNER_HOME",
            )

    def _spawn(self) -> None:
        command = [sys.executable, "-P", "-m", "runner.embedded.engine", *self._worker]
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._child = os.posix_spawn(  # not subprocess: the engine is to outlive this command
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
        """Note whether the engine that this command started has ended, and whether it gave up by itself."""
        if self._child is None:
            return
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if not pid:
                return
            self._failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        self._report = bug_report.of_process(self.home.logs, self._child) if self._failed else None
        self._child = None

    def _log_size(self) -> int:
        return self.home.engine_log.stat().st_size if self.home.engine_log.exists() else 0

    def _unreachable(self, what: str, log_from: int) -> UserError:
        if self._report is not None:
            return EngineBug(
                f"{what}: it met a bug of its own",
                fix=f"everything done so far is saved; the report for its makers is {self._report}",
            )
        secrets = [self._settings.api_key.reveal()] if self._settings.api_key else []
        with contextlib.suppress(OSError):
            said = self.home.engine_log.read_bytes()
            lines = said[log_from if log_from < len(said) else 0 :].decode(errors="replace").splitlines()
            shown = tuple(one_line(redact(line, secrets), 300) for line in lines[-LINES_TOLD:])
            return Unreachable(what, where=shown, fix=f"the whole story is in {self.home.engine_log}")
        return Unreachable(what, fix="runner doctor")


@contextmanager
def attach(
    settings: Settings, *, need_engine: bool = True, worker: Sequence[str] = ()
) -> Iterator[Attachment]:
    """Hold the engine of an embedded state folder for the length of the block; start one if it is needed.

    `worker`: the command of a worker process, if not runner's own. Raises what `Attachment.start` raises.
    """
    attachment = Attachment(settings, worker)
    try:
        if need_engine:
            attachment.start()
        yield attachment
    finally:
        attachment.let_go()
