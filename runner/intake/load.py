"""Loads a job file, or a table with its recipe, as a run: once, and all of its lines or none."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.db.events.trail import CommandEvent
from runner.db.intake import new_jobs
from runner.db.runs import removal, run_moves, runs
from runner.db.runs.stored_options import options_in_force
from runner.intake.insert_jobs import JobInserter
from runner.intake.new_run import new_run_name, refuse_another_run, refuse_name_of_night
from runner.intake.other_content import other_content
from runner.rules.costs.estimate import Tally
from runner.rules.errors import JobFileError
from runner.rules.event_kinds import EventKind
from runner.rules.identity import identity
from runner.rules.occasion import stem_of_run
from runner.rules.prices import day_of
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.events.trail import Actor
    from runner.db.runs.run_row import RunOptions, RunRow
    from runner.db.session import Database
    from runner.intake.insert_jobs import Progress
    from runner.intake.run_input import RunInput
    from runner.rules.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The outcome of a load. `is_new` is False where the run existed already.

    `total` is the number of jobs, `bad_total` that of skipped lines, or rows where `is_table`; the lines are
    in the file `bad_path`. `input_path` is where the run was loaded from. `same_content_run` is an earlier
    run of the same content with other flags. `warnings` are the first ones of `warnings_total`.
    `other_model_total`: lines that name another model than --model. `event`: that of the command, where it
    has loaded the run.
    """

    run_id: int
    name: str
    total: int
    is_new: bool
    input_path: str
    same_content_run: RunRow | None = None
    warnings: list[Diagnostic] = field(default_factory=list)
    warnings_total: int = 0
    bad_total: int = 0
    bad_path: Path | None = None
    other_model_total: int = 0
    is_table: bool = False
    event: CommandEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRun:
    """The run that an input is to be: a new one, unless it was loaded so before and `new` is False.

    `name` is None where that of the file is taken. `occasion` is part of the identity. `is_of_night`: the run
    is that of a night, and may have its name. `actor`: the command that loads it; None in a worker.
    """

    options: RunOptions
    name: str | None = None
    new: bool = False
    occasion: str | None = None
    is_of_night: bool = False
    actor: Actor | None = None


def load(
    database: Database,
    source: RunInput,
    wanted: WantedRun,
    *,
    lock: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    progress: Progress = lambda _lines, _bytes: None,
    tally: Tally | None = None,
) -> LoadResult:
    """Load an input as a run, unless it is loaded already; return which run that is.

    The caller holds a lock of stem and occasion. `lock` returns the state folder's lock of a name. `progress`
    is called with (lines, bytes) read so far, after each chunk. `tally` adds up the requests for an estimate.
    Raises JobFileError or TableError with the bad lines (nothing is loaded), UsageError where a run of this
    name or path has other content.
    """
    name, occasion = wanted.name, wanted.occasion
    sha256, size_bytes = source.digest()
    same = _identity(database, source, sha256, name, occasion)
    path = source.path
    for partial in _partly_loaded(database, path, name, same):
        with lock(partial), new_jobs.shared_lock(database, partial):  # waits for a loader that is still alive
            _find_complete(database, partial)
    with lock(same), new_jobs.shared_lock(database, same):
        found = _find_complete(database, same)
        if found is not None and not wanted.new:
            return _loaded_before(found)
        if not wanted.new:
            _refuse_conflict(database, path, wanted, sha256)
        run_name = new_run_name(database, name or _stem(path), name, occasion, new=wanted.new)
        twin = _same_content(database, sha256, is_expected=wanted.new or name or occasion)
        with database.write() as connection:
            run_id = runs.begin(
                connection,
                identity=same,
                name=run_name,
                input_path=str(path.resolve()),
                input_sha256=sha256,
                options=wanted.options,
                now_ms=database.now_ms(),
                occasion=occasion,
                recipe=source.recipe,
                needs=source.needs,
            )
            event = _recorded(connection, run_id, wanted, database.now_ms())
        with _removed_on_error(database, run_id):
            reading = source.read(tally or Tally(day_of(database.now_ms())))
            JobInserter(database, run_id, reading, progress).insert_all(size_bytes)
            if reading.sha256 != sha256:
                raise _changed(path)
            bad_path = reading.accept()
        with database.write() as connection:
            run_moves.set_ready(connection, run_id, reading.total)
            event = _with_total(connection, event, reading.total, database.now_ms())
        return LoadResult(
            run_id=run_id,
            name=run_name,
            total=reading.total,
            is_new=True,
            input_path=str(path.resolve()),
            same_content_run=twin,
            warnings=reading.warnings,
            warnings_total=reading.warnings_total,
            bad_total=reading.bad_total,
            bad_path=bad_path,
            other_model_total=reading.other_model_total,
            is_table=source.recipe is not None,
            event=event,
        )


def _recorded(connection: Connection, run_id: int, wanted: WantedRun, now_ms: int) -> CommandEvent | None:
    """Record that a command loads a run, with the options that it gives it."""
    if wanted.actor is None:
        return None
    event = CommandEvent(actor=wanted.actor, run_id=run_id)
    return event.extended(connection, now_ms, EventKind.LOADED, new=options_in_force(wanted.options))


def _with_total(
    connection: Connection, event: CommandEvent | None, total: int, now_ms: int
) -> CommandEvent | None:
    """Record how many jobs the command has loaded."""
    return (
        None if event is None else event.extended(connection, now_ms, EventKind.LOADED, new={"jobs": total})
    )


def _same_content(database: Database, sha256: str, *, is_expected: object) -> RunRow | None:
    """Return an earlier run of the same content, unless the user has asked for another one."""
    if is_expected:
        return None
    with database.read() as connection:
        return runs.find_by_sha256(connection, sha256)


def _loaded_before(found: RunRow) -> LoadResult:
    return LoadResult(
        run_id=found.id,
        name=found.name,
        total=found.total,
        is_new=False,
        input_path=found.input_path,
    )


@contextmanager
def _removed_on_error(database: Database, run_id: int) -> Iterator[None]:
    """Remove the run again where the block raises: all of its lines are loaded, or none."""
    try:
        yield
    except BaseException:
        removal.remove_unsent(database, run_id)
        raise


def _identity(
    database: Database, source: RunInput, sha256: str, name: str | None, occasion: str | None
) -> str:
    """Return the identity of an input; a run that an older version loaded with other words keeps its own."""
    same, *earlier = (identity(sha256, _shaping(shaping, occasion), name) for shaping in source.shapings)
    with database.read() as connection:
        if runs.find_by_identity(connection, same) is None:
            return next((one for one in earlier if runs.find_by_identity(connection, one)), same)
    return same


def _shaping(shaping: Mapping[str, str | None], occasion: str | None) -> dict[str, str | None]:
    return {
        "occasion": occasion,
        **shaping,
    }


def _find_complete(database: Database, same: str) -> RunRow | None:
    """Return the newest run of an identity, or None; remove runs that a crash left partly loaded."""
    with database.read() as connection:
        found = runs.find_by_identity(connection, same)
    if found is None or found.state is not RunState.LOADING:
        return found
    removal.remove_unsent(database, found.id)
    return _find_complete(database, same)


def _partly_loaded(database: Database, source: Path, name: str | None, same: str) -> list[str]:
    """Return the other identities with this name or path that are in state `loading`, or were at a crash."""
    with database.read() as connection:
        return [
            run.identity
            for run in runs.in_states(connection, [RunState.LOADING])
            if run.identity != same and (run.stem == name or run.input_path == str(source.resolve()))
        ]


def _refuse_conflict(database: Database, source: Path, wanted: WantedRun, sha256: str) -> None:
    """Raise UsageError where a run has the same name or path in this occasion, but other content or flags.

    Or where a night has the name, unless the run is that of a night.
    """
    name, occasion = wanted.name, wanted.occasion
    if not wanted.is_of_night:
        refuse_name_of_night(database, name or _stem(source), occasion)
    if occasion is None:
        _refuse_other_content(database, source, name, sha256)
    else:
        refuse_another_run(database, source, name or _stem(source), name, occasion, sha256)


def _refuse_other_content(database: Database, source: Path, name: str | None, sha256: str) -> None:
    """Raise UsageError where a run of this name or path has other content: the user decides to pay again."""
    with database.read() as connection:
        named = runs.find_by_name(connection, name) if name else None
        others = (
            (named, f'the name "{name}"'),
            (runs.find_by_path(connection, str(source.resolve())), str(source)),
        )
        for found, what in others:
            if found is not None and found.input_sha256 != sha256:
                raise other_content(connection, found, what)


def _stem(source: Path) -> str:
    return stem_of_run(source.name)


def _changed(path: Path) -> JobFileError:
    return JobFileError(
        f"{path} changed while it was read; nothing was loaded",
        fix="run the same command again when the file is complete",
    )
