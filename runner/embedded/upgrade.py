"""Upgrades the embedded database to the schema of this version, while no engine uses it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from runner import __version__
from runner.db import migrate
from runner.embedded import engine_record
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.embedded.engine_record import EngineRecord
    from runner.embedded.state_folder import StateFolder

_WAIT_S: Final = 60.0  # as long as an engine may take to start
_STEP_S: Final = 0.02


def upgrade_if_needed(home: StateFolder, database: Database) -> None:
    """Upgrade the database under the engine lock if its schema is not at head; at head this takes a few ms.

    An engine that starts is waited for: it upgrades the database. Raises UsageError when a newer version made
    the schema, or an engine of an older version is at work.
    """
    home.prepare()
    lock = home.engine_lock()
    deadline = time.monotonic() + _WAIT_S
    while True:
        engine = engine_record.read_alive(home.engine_json)  # first: a ready one has upgraded
        found = migrate.revision(database)
        if found == migrate.HEAD:
            return
        if lock.try_acquire_exclusive():
            try:
                migrate.upgrade(database, home.path)
            finally:
                lock.release()
        elif engine is not None and found is not None:
            lock.release()
            migrate.refuse_unknown(database, found)
            raise _older_engine(engine, found)
        elif time.monotonic() > deadline:
            lock.release()
            raise UsageError(
                "an engine of another version of runner is starting or ending in this state folder",
                fix="wait until its commands have ended, then try again",
            )
        else:
            time.sleep(_STEP_S)


def _older_engine(engine: EngineRecord, found: str) -> UsageError:
    version = f"version {engine.version}" if engine.version not in ("", __version__) else "an older version"
    return UsageError(
        f"an engine of {version} is at work in this state folder (process {engine.pid}): its database is at"
        f" schema {found}, and this version needs {migrate.HEAD}",
        fix="wait until its commands and runs have ended, or end its commands with Ctrl-C, and if it stays,"
        f" `kill {engine.pid}` (what is in flight is finished); then the same command upgrades the database",
    )
