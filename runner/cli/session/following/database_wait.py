"""Wait for a database that does not answer, as a command does that follows something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db.connection.driver_errors import is_file_gone, is_unavailable, state_of
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.exc import DBAPIError

    from runner.cli.session.following.stop_signal import StopSignal

DATABASE_AWAY_MAX_S: Final = 600.0
_TRY_EACH_S: Final = 1.0


def wait_for_database(
    error: DBAPIError, away_s: float, stop: StopSignal, print_line: Callable[[str], None]
) -> None:
    """Print that the database is away, and wait a second; `away_s`: since when.

    Raises the error itself where waiting is of no use, and Unreachable after ten minutes or a signal.
    """
    if is_file_gone(error) or not is_unavailable(error):
        raise error
    if away_s > DATABASE_AWAY_MAX_S or stop.requested is not None:
        why = str(error.orig).strip().splitlines()[:1]
        raise Unreachable(f"the database {state_of(error)}", where=tuple(why), fix="runner doctor")
    print_line(f"the database {state_of(error)}; trying again")
    stop.wait(_TRY_EACH_S)
