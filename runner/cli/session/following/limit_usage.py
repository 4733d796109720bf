"""How much of the API's limits is in use, read from the limiter; unknown while it cannot be reached."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from runner.cli.snapshot import LimitsInUse
from runner.rules.errors import Unreachable
from runner.settings import socket_path

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.runs.run_row import RunRow
    from runner.limiter.usage import BucketUsage, UsageReader
    from runner.settings import Settings

_EACH_S: Final = 1.0


class LimitUsageReader:
    """Reads at most once a second; never raises and never waits for long. Use it with `with`.

    Do not leave it to the garbage collector: a Ctrl-C while it closes the connection is lost.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: UsageReader | None = None
        self._found: LimitsInUse | None = None
        self._next_s = 0.0

    def added_to(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with the use of the limits; without it while that is unknown."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _EACH_S
            self._found = self._read(snapshot.run)
        return replace(snapshot, limits=self._found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _read(self, run: RunRow) -> LimitsInUse | None:
        """Return the use of the limits of a run; None while it is unknown."""
        if self._settings.redis_url is None and not socket_path(self._settings.home).exists():
            return None  # no engine is at work; found out without the slow import of redis-py
        try:
            if self._reader is None:
                from runner.limiter.usage import UsageReader

                key = self._settings.api_key
                self._reader = UsageReader(
                    self._settings.effective_redis_url, key.fingerprint if key else None
                )
            usages = [usage for usage in self._reader.read() if usage.view.requests]
            has_own = bool(run.options.rpm or run.options.tpm)
            return LimitsInUse(
                busiest=max(usages, key=_share, default=None),
                own=self._reader.read_run(run.id) if has_own else None,
                team=self._reader.read_team(),
            )
        except Unreachable:
            return None


def _share(usage: BucketUsage) -> tuple[float, int]:
    """Return the share of the binding limit in use, and the number of requests to break ties."""
    view = usage.view
    shares = [n / most for n, most in ((view.requests, view.rpm), (view.tokens, view.tpm)) if most]
    return max(shares, default=0.0), view.requests
