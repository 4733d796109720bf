"""Nights in the background: workers take the steps that follow the answers, where no command waits."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import is_unavailable
from runner.db.evaluation import night_runs, nights
from runner.db.runs import run_moves
from runner.evals.night import night_end
from runner.evals.night.advance_night import NightSteps
from runner.evals.night.night_options import read_options
from runner.rules.errors import UserError

if TYPE_CHECKING:
    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database
    from runner.intake.load import LoadResult
    from runner.settings import Settings

_CALLED_WITHIN_MS: Final = 24 * 3600 * 1000  # after the end: who has not been called by then knows

log = logging.getLogger("runner.evals")


class DetachedNights:
    """Advances the nights that were left in the background. Any worker may: each step can be taken twice."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database

    def advance(self) -> None:
        """Take the next steps of every night whose run is over; start what has to be measured again.

        A worker may have ended just before it called the command of a night: that is made up for.

        A night that needs a command, as one with a grader in Python, is left with the reason.
        """
        with self._database.read() as connection:
            waiting = night_runs.waiting_detached(connection)
            uncalled = night_runs.uncalled_detached(connection, self._database.now_ms() - _CALLED_WITHIN_MS)
        for night in uncalled:
            self._call_on_end(night)
        for night in waiting:
            try:
                self._advance(night)
            except UserError as error:
                log.warning("night.needs_command night=%s cause=%s", night.name, error)
                self._leave(night, error.what)
            except Exception as error:  # one night must not keep the reaper from all runs
                if isinstance(error, DBAPIError) and is_unavailable(error):
                    raise
                log.exception("night.bug night=%s", night.name)
                self._leave(night, f"a bug: {type(error).__name__}: {error}")

    def _advance(self, night: NightRow) -> None:
        options = read_options(night.options)
        steps = NightSteps(
            settings=self._settings,
            database=self._database,
            night_id=night.id,
            folder=Path(options.folder),
            note=lambda line: log.info("night.step %s", line),
            loaded=_log_loaded,
        )
        run_id = steps.advance()
        if run_id is not None:
            with self._database.write() as connection:
                run_moves.start(connection, run_id, self._database.now_ms())
            return
        log.info("night.ended night=%s", night.name)
        self._call_on_end(night)

    def _call_on_end(self, night: NightRow) -> None:
        ended = night_end.read_end(self._database, night.id)
        to = sys.__stderr__ or subprocess.DEVNULL
        problem = night_end.call_on_end(self._database, ended, output=None, to=to)
        if problem:
            log.warning("on_end.failed cause=%s", problem)

    def _leave(self, night: NightRow, problem: str) -> None:
        with self._database.write() as connection:
            found = nights.find_by_id(connection, night.id)
            if found is not None:
                options = read_options(found.options).with_problem(problem)
                nights.set_options(connection, night.id, options.encoded())


def _log_loaded(loaded: LoadResult) -> None:
    log.info("night.loaded run=%d name=%s jobs=%d", loaded.run_id, loaded.name, loaded.total)
