"""Upgrades the embedded database to the schema of this version, while no engine uses it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from runner.db import migrate
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.embedded.state_folder import StateFolder

_WAIT_S: Final = 60.0  # as long as an engine may take to start
_STEP_S: Final = 0.02


def upgrade_if_needed(home: StateFolder, database: Database) -> None:
    """Upgrade the database under the engine lock if its schema is not at head; at head this takes a few ms.

    Raises UsageError when a newer version made the schema, or an engine of another version runs.
    """
    home.prepare()
    lock = home.engine_lock()
    deadline = time.monotonic() + _WAIT_S
    while migrate.revision(database) != migrate.HEAD:
        if lock.try_acquire_exclusive():
            try:
                migrate.upgrade(database, home.path)
            finally:
                lock.release()
        elif time.monotonic() > deadline:
            lock.release()
            raise UsageError(
                "an engine of another version of runner is at work in this state folder",
                fix="wait until its commands have ended, then try again",
            )
        else:
            time.sleep(_STEP_S)  # an engine that has just started upgrades it
