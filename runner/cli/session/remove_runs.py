"""Remove runs, and find what `prune` removes: old runs and old files of the state folder."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.db.counts import counters
from runner.db.evaluation import night_runs
from runner.db.events import trail
from runner.db.events.trail import CommandEvent
from runner.db.intake import new_jobs
from runner.db.runs import removal, runs
from runner.embedded.loading_lock import loading_lock
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.evaluation.night_runs import NightRun
    from runner.db.events.trail import Actor
    from runner.db.runs.removal import RunContents
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.rules.evaluation.kept_answers import Kept
    from runner.settings import Settings

_REPORTS: Final = "bug-*.txt"
_COPIES: Final = "runner.db.*"  # made before an upgrade
_IN_USE: Final = ("-wal", "-shm")
_DELETING, _DELETED = "being deleted", "deleted"  # the cause of an event about files


class OldFile(NamedTuple):
    """A file that `prune` deletes. `kind`: how it is counted in the event of the command."""

    path: Path
    size_bytes: int
    kind: str


class KeptNightRun(NamedTuple):
    """An old run that stays, since it measured a night whose answers may be graded again."""

    run: RunRow
    night: str
    why: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class OldData:
    """What `prune` removes: runs with what they hold, and files.

    `known`: the number of runs of each stem, those that stay among them. `kept`: old runs of nights that stay
    because their answers may be graded again. `nights`: the runs that measure nights, by id.
    """

    runs: Sequence[tuple[RunRow, RunContents]]
    files: Sequence[OldFile]
    known: Mapping[str, int]
    kept: Sequence[KeptNightRun]
    nights: Mapping[int, NightRun]


def find_old_data(database: Database, settings: Settings, older_than_s: float, keep: int) -> OldData:
    """Return runs and files older than `older_than_s`, except the newest `keep` runs of each stem.

    A run that an interrupted removal has left half removed is among them, whatever its age.
    """
    before_ms = database.now_ms() - int(older_than_s * 1000)
    with database.read() as connection:
        known = runs.all_runs(connection)
        nights = night_runs.read(connection)
        old = _choose_runs(known, before_ms, keep)
        kept = list(_kept_runs(old, nights))
        chosen = _without(old, kept)
        old_runs = [(run, removal.count_contents(connection, run.id)) for run in chosen]
    gone = {run.id for run in chosen}
    needed = {run.input_path for run in known if run.id not in gone}
    files = _old_files(settings.home, needed, older_than_s) if settings.embedded else ()
    return OldData(
        runs=old_runs,
        files=sorted(files),
        known=Counter(run.stem for run in known if _is_whole(run)),
        kept=kept,
        nights=nights,
    )


def _choose_runs(known: Sequence[RunRow], before_ms: int, keep: int) -> list[RunRow]:
    """Return the runs that are old or half removed, of all that are known, the newest first."""
    beyond = {run.id for run in _beyond([run for run in known if _is_whole(run)], keep)}
    return [
        run
        for run in known
        if run.state is RunState.REMOVING or (run.id in beyond and _ended_before(run, before_ms))
    ]


def _kept_runs(old: Sequence[RunRow], nights: Mapping[int, NightRun]) -> Iterator[KeptNightRun]:
    """Yield the runs whose answers may be graded again; a half removed one is not among them."""
    for run in old:
        night = nights.get(run.id)
        if night is not None and night.kept is not None and run.state is not RunState.REMOVING:
            yield KeptNightRun(run, night.night, night.kept)


def _without(old: Sequence[RunRow], kept: Sequence[KeptNightRun]) -> list[RunRow]:
    stay = {one.run.id for one in kept}
    return [run for run in old if run.id not in stay]


def _is_whole(run: RunRow) -> bool:
    return run.state not in (RunState.LOADING, RunState.REMOVING)


class RemovedByAnotherError(UsageError):
    """Another command has removed the run, or is removing it, since this one has looked."""


def remove_run(settings: Settings, database: Database, run: RunRow, actor: Actor) -> None:
    """Remove a run, also a half loaded one.

    What was removed stays on record; a removal that was interrupted has its event already. Raises
    RemovedByAnotherError where another command was faster, UsageError if a job of the run is in flight.
    """
    with ExitStack() as locks:
        if run.state is RunState.LOADING:  # wait for a live loader: then the run is complete
            locks.enter_context(loading_lock(settings, run.identity))
            locks.enter_context(new_jobs.shared_lock(database, run.identity))
        now_ms = database.now_ms()
        with database.write() as connection:
            begun = removal.begin(connection, run.id, run.state)
            if begun and run.state is not RunState.REMOVING:
                _record_removal(connection, run, actor, now_ms)
            found = runs.find(connection, run.id)
    if found is None or (not begun and found.state is RunState.REMOVING):
        raise _removed_by_another(run.id, is_gone=found is None)
    if not begun:
        raise at_work_error(found)
    removal.remove(database, run.id)


def delete_files(database: Database, files: Sequence[OldFile], actor: Actor) -> int:
    """Delete old files; return how many bytes this freed.

    No transaction has files. So the event of the command is on record before the first of them is gone: it
    has all that are to be deleted, and says so. When all are gone it says that. After a kill in between some
    are still there, and the same command deletes them.
    """
    if not files:
        return 0
    freed_bytes = sum(file.size_bytes for file in files)
    old = {**Counter(file.kind for file in files), "size_bytes": freed_bytes}
    event = CommandEvent(actor=actor)
    with database.write() as connection:
        event = event.extended(
            connection, database.now_ms(), EventKind.FILES_DELETED, old=old, cause=_DELETING
        )
    for file in files:
        file.path.unlink(missing_ok=True)
    with database.write() as connection:
        event.extended(connection, database.now_ms(), EventKind.FILES_DELETED, cause=_DELETED)
    return freed_bytes


def _record_removal(connection: Connection, run: RunRow, actor: Actor, now_ms: int) -> None:
    """Record what a run was: its state, its jobs, and what is known to be spent and what may be."""
    counts = counters.read(connection, run.id, "state", "ticks")
    spent_ticks = sum(counts.get(("ticks", key), 0) for key in ("reported", "estimated"))
    trail.record_operator_event(
        connection,
        now_ms,
        EventKind.REMOVED,
        actor=actor,
        run_id=run.id,
        run_name=run.name,
        old={
            "state": run.state,
            "jobs": run.total,
            "succeeded": counters.jobs_by_state(counts)[JobState.SUCCEEDED],
            "spent_ticks": spent_ticks,
            "possible_extra_ticks": counts.get(("ticks", "possible_extra"), 0),
        },
    )


def _removed_by_another(run_id: int, *, is_gone: bool) -> RemovedByAnotherError:
    if is_gone:
        what = f"run {run_id} is gone: another command has removed it"
        return RemovedByAnotherError(what, fix=f"runner events {run_id} shows which")
    what = f"run {run_id} is being removed by another command"
    return RemovedByAnotherError(what, fix=f"runner rm {run_id} finishes that where it was interrupted")


def at_work_error(run: RunRow) -> UsageError:
    """Return the error for a run that cannot be removed yet."""
    return UsageError(
        f"run {run.id} is {run.state} and has work on its way; it was not removed",
        fix=f"runner cancel {run.id} ends it; remove it when its answers are in",
    )


def _ended_before(run: RunRow, before_ms: int) -> bool:
    return run.is_over and (run.finished_at_ms or 0) < before_ms


def _beyond(newest_first: Sequence[RunRow], keep: int) -> Iterator[RunRow]:
    """Yield the runs except the newest `keep` of each stem."""
    counts: Counter[str] = Counter()
    for run in newest_first:
        counts[run.stem] += 1
        if counts[run.stem] > keep:
            yield run


def _old_files(home: Path, needed: set[str], older_than_s: float) -> Iterator[OldFile]:
    inputs = [path for path in (home / "stdin").glob("*") if str(path.resolve()) not in needed]
    candidates = {
        "bug_reports": (home / "logs").glob(_REPORTS),
        "database_copies": home.glob(_COPIES),
        "inputs": inputs,
    }
    before_s = time.time() - older_than_s
    for kind, paths in candidates.items():
        for path in paths:
            if path.is_file() and not path.name.endswith(_IN_USE):
                stat = path.stat()
                if stat.st_mtime < before_s:
                    yield OldFile(path, stat.st_size, kind)
