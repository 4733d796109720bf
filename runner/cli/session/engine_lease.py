"""A command's lease of the engine of the state folder; shared servers need none."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runner.embedded.engine_client import connect_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.embedded.engine_client import EngineClient
    from runner.settings import Settings

_END_TIMEOUT_S: Final = 90.0  # requests in flight may take more than a minute


class EngineLease:
    """Created by `engine_lease`. `engine` is None with shared servers."""

    def __init__(self, engine: EngineClient | None) -> None:
        self.engine = engine
        self._starting: threading.Thread | None = None
        self._error: Exception | None = None

    def start_early(self) -> None:
        """Start an engine in a thread if none is alive; do not wait for it."""
        if self.engine is not None and not self.engine.is_engine_alive():
            self._starting = threading.Thread(target=self._start, name="engine-start", daemon=True)
            self._starting.start()

    def is_at_work(self) -> bool:
        """Return whether workers run already, so that a notification reaches them.

        Raises UsageError where the engine has another key or base URL.
        """
        if self._starting is not None:
            if self._starting.is_alive():
                return False
        elif self.engine is not None and not self.engine.is_engine_alive():
            return False
        self.wait_ready()
        return True

    def wait_ready(self) -> None:
        """Wait until an engine is ready; start one if none is alive. Raises UsageError, Unreachable."""
        if self._starting is not None:
            self._starting.join()
            self._starting = None
            if self._error is not None:
                raise self._error
        elif self.engine is not None:
            self.engine.start()

    def detach(self) -> None:
        """Make the engine stay without watching commands until its active runs have ended."""
        if self.engine is not None:
            self.engine.detach()

    def follow(self, run_id: int) -> None:
        """Take over the --on-end call of a run until this lease ends."""
        if self.engine is not None:
            self.engine.follow(run_id)

    def end(self) -> bool:
        """Release the lease and wait for the engine to end; return False if others keep it alive."""
        return self.engine is not None and self.engine.release_and_wait(_END_TIMEOUT_S)

    def _start(self) -> None:
        try:
            if self.engine is not None:
                self.engine.start()
        except Exception as error:  # noqa: BLE001 - `wait_ready` raises it in the main thread
            self._error = error


@contextmanager
def engine_lease(settings: Settings) -> Iterator[EngineLease]:
    """Lease the engine for the `with` block, if one is alive or is started in it."""
    if not settings.embedded:
        yield EngineLease(None)
        return
    with connect_engine(settings, need_engine=False) as engine:
        yield EngineLease(engine)
