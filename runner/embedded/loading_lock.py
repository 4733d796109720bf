"""Locks for loading: one process at a time loads one content, or decides which run of an occasion is new."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.db.intake import new_jobs
from runner.embedded.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.db.session import Database
    from runner.settings import Settings


@contextmanager
def loading_lock(settings: Settings, sha256: str) -> Iterator[None]:
    """Hold the lock for loading this content; without effect with shared servers."""
    if not settings.embedded:  # the database has its own lock
        yield
        return
    lock = StateFolder(settings.home).load_lock(sha256)
    lock.acquire_exclusive()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def occasion_lock(settings: Settings, database: Database, stem: str) -> Iterator[None]:
    """Let one process at a time load runs of occasions of a stem, so that one decides which run is new."""
    key = hashlib.sha256(f"occasions of {stem}".encode()).hexdigest()
    with loading_lock(settings, key), new_jobs.shared_lock(database, key):
        yield
