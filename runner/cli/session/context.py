"""Settings, database and run of a command."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from runner import settings as settings_of
from runner.cli.printing import print_note
from runner.embedded.state_folder import ENGINE_READY, StateFolder
from runner.rules.errors import Unreachable, UsageError
from runner.rules.states import AT_WORK, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.settings import Settings

LOST_FIX: Final = "put it back, or begin anew: runner run FILE"
_BEGUN: Final = (*AT_WORK, RunState.LOADING)
_NAME_LENGTH: Final = 80  # of a name in a sentence


def read_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in force; print a warning for unknown names."""
    settings = settings_of.load_here(flags)
    for warning in settings.warnings:
        print_note(f"warning: {warning}")
    return settings


def require_key(settings: Settings) -> None:
    """Raise UsageError if no API key is set."""
    if settings.api_key is None:
        raise UsageError(
            "no API key is set",
            fix="export XAI_API_KEY=xai-…, or name a file that holds it in XAI_API_KEY_FILE",
        )


def require_api(settings: Settings) -> None:
    """Raise UsageError where a setting keeps the API, or with shared servers Redis, from being reached.

    Such are a missing key, a proxy that cannot be used, and files of certificates.
    """
    require_key(settings)
    check_connections(settings)


def check_connections(settings: Settings) -> None:
    """Raise UsageError for a proxy or a file of certificates that cannot be used."""
    from runner import certificate_files
    from runner.api.environment import check_environment

    check_environment(settings.base_url)
    if settings.redis_url is not None:
        certificate_files.check_url("RUNNER_REDIS_URL", settings.redis_url)


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """Open the database. Raises UsageError if there is none yet."""
    if settings.embedded and not (settings.home / "runner.db").exists():
        if had_database(settings):
            raise Unreachable(lost_database(settings), fix=LOST_FIX)
        raise UsageError("there are no runs yet", fix="runner run FILE starts the first one")
    with any_database(settings) as database:
        yield database


@contextmanager
def any_database(settings: Settings) -> Iterator[Database]:
    """Open the database; an embedded one is upgraded to this schema, a shared one must have it."""
    from runner.db import migrate
    from runner.db.connection.statement_timeout import ANSWER_TIMEOUT_S
    from runner.db.session import Database
    from runner.embedded import upgrade

    if had_database(settings):
        print_note(f"warning: {lost_database(settings)}; this command begins with an empty one")
    database = Database(settings.effective_database_url, answer_timeout_s=ANSWER_TIMEOUT_S)
    try:
        if settings.embedded:
            upgrade.upgrade_if_needed(StateFolder(settings.home), database)
        else:
            migrate.need_head(database)
        yield database
    finally:
        database.close()


def had_database(settings: Settings) -> bool:
    """Return whether an engine worked with a database of the state folder that is not there any more."""
    if not settings.embedded or (settings.home / "runner.db").exists():
        return False
    try:
        return ENGINE_READY.encode() in StateFolder(settings.home).engine_log.read_bytes()
    except OSError:
        return False


def lost_database(settings: Settings) -> str:
    """Return that the database of the state folder is gone, as a sentence."""
    return f"the database {settings.home / 'runner.db'} is gone: it was removed since an engine last used it"


def find_run(connection: Connection, word: str, *, removing: bool = False) -> RunRow:
    """Return a run by its id or name; a half removed one only with `removing`.

    Raises UsageError, with the most similar name.
    """
    from runner.db.runs import runs

    found = runs.find(connection, int(word)) if _is_run_id(word) else None
    found = found or runs.find_by_name(connection, word)
    if found is None and find_removed(connection, word) is not None:
        raise UsageError(f"run {word} was removed", fix=f"runner events {word} shows by which command")
    if found is None:
        raise _no_such_run(word, runs.all_runs(connection))
    if found.state is RunState.REMOVING and not removing:
        raise UsageError(f"run {found.id} is being removed", fix=f"runner rm {found.id} finishes that")
    return found


def find_working_run(connection: Connection, word: str) -> RunRow:
    """Return a run as `find_run` does; the name of a night stands for the newest run that measures it."""
    from runner.db.evaluation import measurements, nights
    from runner.db.runs import runs

    night = None if _is_run_id(word) else nights.find_by_name(connection, word)
    measured = [] if night is None else measurements.measurements(connection, night.id)
    for measurement in reversed(measured):
        if runs.find(connection, measurement.run_id) is not None:
            return find_run(connection, str(measurement.run_id))
    return find_run(connection, word)


def find_removed(connection: Connection, word: str) -> int | None:
    """Return the id of a run that was removed; None where the word is not the id of one."""
    from runner.db.events import event_log
    from runner.db.runs import runs

    if not _is_run_id(word) or runs.find(connection, int(word)) is not None:
        return None
    return int(word) if event_log.has_removed(connection, int(word)) else None


def find_events_of(connection: Connection, word: str) -> int:
    """Return the id of the run whose events are meant; it may have been removed. Raises UsageError."""
    return _also_removed(connection, word, find_working_run)


def find_night_name(connection: Connection, word: str) -> str | None:
    """Return the name of the night that a word names; None where it names none."""
    from runner.db.evaluation import nights

    night = None if _is_run_id(word) else nights.find_by_name(connection, word)
    return None if night is None else night.name


def find_costs_of(connection: Connection, word: str) -> int:
    """Return the id of the run whose costs are meant; it may have been removed. Raises UsageError."""
    return _also_removed(connection, word, partial(find_run, removing=True))


def _also_removed(connection: Connection, word: str, find: Callable[[Connection, str], RunRow]) -> int:
    """Return the id of the run that `find` finds, or that was removed: by its id, or by its name.

    Of several removed runs of a name the last one is meant. Raises UsageError as `find` does.
    """
    from runner.db.events import event_log

    removed = find_removed(connection, word)
    if removed is not None:
        return removed
    try:
        return find(connection, word).id
    except UsageError:
        removed = event_log.removed_run(connection, word)
        if removed is None:
            raise
        return removed


def _is_run_id(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10


def _no_such_run(word: str, known: Sequence[RunRow]) -> UsageError:
    nights = [run.name for run in known if run.stem == word]  # the newest first
    near = nights or difflib.get_close_matches(word, [run.name for run in known], n=1)
    meant = f'; did you mean "{_shown(near[0])}"?' if near else ""
    named = _shown(word) or '""'
    return UsageError(f"there is no run {named}{meant}", fix="runner list shows the runs")


def _shown(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def latest_run(connection: Connection) -> RunRow:
    """Return the newest run at work, else the newest paused one, else the newest. Raises UsageError."""
    from runner.db.runs import runs

    begun = runs.in_states(connection, _BEGUN) or runs.in_states(connection, (RunState.PAUSED,))
    found = begun or runs.all_runs(connection)[:1]
    if not found:
        raise UsageError("there are no runs yet", fix="runner run FILE starts the first one")
    return found[-1]
