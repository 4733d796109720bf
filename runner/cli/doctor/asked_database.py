"""The database as the checks of `runner doctor` share it: one that does not answer is asked once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.db.session import Database
    from runner.settings import Settings


class AskedDatabase:
    """The database of the settings. `fault`: why it did not answer the first check that asked; else None."""

    def __init__(self, settings: Settings) -> None:
        self.fault: Unreachable | None = None
        self._settings = settings

    @contextmanager
    def opened(self) -> Iterator[Database | None]:
        """Open it; yield None if an embedded one does not exist yet. Raises UserError, `fault` at once."""
        from runner.db.connection.driver_errors import DRIVER_ERRORS
        from runner.db.session import Database

        if self.fault is not None:
            raise self.fault
        database = Database(self._settings.effective_database_url)
        try:
            if self._settings.embedded and not (self._settings.home / "runner.db").exists():
                yield None
            else:
                yield database
        except Unreachable as error:
            self.fault = error
            raise
        except DRIVER_ERRORS as error:
            explained = database.explained(error)
            self.fault = explained if isinstance(explained, Unreachable) else None
            raise explained from error
        finally:
            database.close()
