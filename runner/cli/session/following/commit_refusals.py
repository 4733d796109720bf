"""Reads what workers report of a database that refuses their writes; unknown while Redis does not answer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.rules.errors import Unreachable
from runner.settings import socket_path

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.limiter.refused_commits import CommitRefusal
    from runner.settings import Settings

_EACH_S: Final = 5.0


class RefusedCommitsReader:
    """Reads at most every 5 s, the first time after `first_after_s`; never raises, never waits for long."""

    def __init__(self, settings: Settings, *, first_after_s: float = 0.0) -> None:
        self._settings = settings
        self._next_s = time.monotonic() + first_after_s
        self._found: CommitRefusal | None = None

    def added_to(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot of a run that needs a worker with what is reported."""
        if not snapshot.stored.needs_worker:
            return snapshot
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _EACH_S
            self._found = self._read()
        return snapshot if self._found is None else replace(snapshot, refused_commits=self._found)

    def _read(self) -> CommitRefusal | None:
        if self._settings.redis_url is None and not socket_path(self._settings.home).exists():
            return None  # no engine is at work; found out without the slow import of redis-py
        from runner.limiter import refused_commits

        try:
            return refused_commits.read(self._settings.effective_redis_url)
        except Unreachable:
            return None
