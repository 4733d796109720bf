"""The table `runs`: find runs, create them, move them between states."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db.counts import counters, run_series
from runner.db.events import events
from runner.db.jobs.job_ids import job_id
from runner.db.stored_text import path_of, stored_path, stored_text
from runner.rules.counted import count
from runner.rules.event_kinds import EventKind
from runner.rules.occasion import stem_of
from runner.rules.states import AT_WORK, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.events.events import RecordEvent

_MOVING = (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED)
_NO_PAUSE = "pause_reason = NULL, pause_text = NULL"
_ENDS_AND_CLAIMS = ", ".join(
    f"'{kind}'" for kind in (EventKind.FINISHED, EventKind.PAUSED, EventKind.CANCELLED, EventKind.NOTIFIED)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of a run that a user may change; stored with it as JSON (`stored_options` changes them).

    `rpm` and `tpm`: None is not given, 0 is no limit of its own. `limit`: only the first jobs of the file, up
    to this number. `budget_ticks`: None is no budget. `fail_on`: the flaws (chat_completion) that fail a job.
    `on_end`: the shell command to call when the run ends: by the command that follows the run; where none
    does, by the engine of a run with `is_detached`, which stays once --detach was given.
    """

    rpm: int | None = None
    tpm: int | None = None
    max_attempts: int = 5
    on_ambiguous: str = "resubmit"
    max_waiting: int = 50_000
    max_failures: int | None = None
    limit: int | None = None
    budget_ticks: int | None = None
    fail_on: tuple[str, ...] = ()
    on_end: str | None = None
    is_detached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One row of the table `runs`. `repetition` numbers the runs of one identity, from 0.

    `recipe`: what a table is labeled by, as canonical JSON. `needs`: the words that a worker has to know.
    """

    id: int
    identity: str
    repetition: int
    name: str
    state: RunState
    pause_reason: str | None
    pause_text: str | None
    input_path: str
    input_sha256: str
    output_path: str | None
    options: RunOptions
    total: int
    created_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    occasion: str | None = None
    recipe: str | None = None
    needs: str | None = None

    @property
    def unit(self) -> str:
        """Return what one job of the run is to a person: a row of a table that is labeled, or a job."""
        return "job" if self.recipe is None else "row"

    @property
    def ids_text(self) -> str:
        """Return in words what an id of a job of the run is."""
        if self.recipe is None:
            return "a custom_id of the job file, or line-N"
        return "one of the column that --id named, without --id row-N"

    @property
    def stem(self) -> str:
        """Return the name without the occasion."""
        return stem_of(self.name, self.occasion)

    @property
    def is_over(self) -> bool:
        """Return whether the run has ended. A cancelled run ends when nothing of it is in flight."""
        return self.state is RunState.FINISHED or (
            self.state is RunState.CANCELLED and self.finished_at_ms is not None
        )


def find(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run by its id, or None."""
    row = connection.execute(text("SELECT * FROM runs WHERE id = :id"), {"id": run_id}).one_or_none()
    return _run(row) if row else None


def find_whole(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run by its id; None where it is not there, or a removal of it has begun."""
    found = find(connection, run_id)
    return None if found is None or found.state is RunState.REMOVING else found


def lock(connection: Connection, run_id: int) -> None:
    """Lock a run's row until the transaction ends.

    SQLite needs no lock: its writing transactions never overlap.
    """
    suffix = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    connection.execute(text(f"SELECT id FROM runs WHERE id = :id{suffix}"), {"id": run_id})


def find_by_identity(connection: Connection, identity: str) -> RunRow | None:
    """Return the newest run of an identity, or None."""
    row = connection.execute(
        text("SELECT * FROM runs WHERE identity = :identity ORDER BY repetition DESC LIMIT 1"),
        {"identity": identity},
    ).one_or_none()
    return _run(row) if row else None


def find_by_name(connection: Connection, name: str) -> RunRow | None:
    """Return the newest run with a name, or None; runs in state `removing` are left out."""
    return _newest_by(connection, "name", name)


def find_by_path(connection: Connection, path: str) -> RunRow | None:
    """Return the newest run of no occasion that was loaded from a path; not one in state `removing`."""
    return _newest_by(connection, "input_path", stored_path(path), "AND occasion IS NULL")


def find_by_sha256(connection: Connection, sha256: str) -> RunRow | None:
    """Return a run with jobs whose input has this sha256, or None; not one in state `removing`.

    One that has not ended goes before those that have, then the newest.
    """
    return _newest_by(
        connection, "input_sha256", sha256, "AND total > 0", first="state IN ('finished', 'cancelled'), "
    )


def ended_without_files(connection: Connection, *, since_ms: int) -> list[RunRow]:
    """Return the runs that ended since a time and whose files no worker has written since they ended."""
    query = text(
        "SELECT * FROM runs WHERE state IN ('finished', 'cancelled') AND finished_at_ms >= :since"
        " AND NOT EXISTS (SELECT 1 FROM run_events e WHERE e.run_id = runs.id AND e.kind = :written"
        " AND e.at_ms >= runs.finished_at_ms) ORDER BY id"
    )
    return [_run(row) for row in connection.execute(query, {"since": since_ms, "written": EventKind.WRITTEN})]


def _newest_by(
    connection: Connection, column: str, word: str, also: str = "", first: str = ""
) -> RunRow | None:
    query = text(
        f"SELECT * FROM runs WHERE {column} = :word AND state <> '{RunState.REMOVING}' {also}"
        f" ORDER BY {first}id DESC LIMIT 1"
    )
    row = connection.execute(query, {"word": word}).one_or_none()
    return _run(row) if row else None


def all_runs(connection: Connection) -> list[RunRow]:
    """Return every run, newest first."""
    return [_run(row) for row in connection.execute(text("SELECT * FROM runs ORDER BY id DESC"))]


def of_occasion(connection: Connection, occasion: str) -> list[RunRow]:
    """Return the runs of an occasion, newest first; runs in state `removing` are left out."""
    query = text(
        f"SELECT * FROM runs WHERE occasion = :word AND state <> '{RunState.REMOVING}' ORDER BY id DESC"
    )
    return [_run(row) for row in connection.execute(query, {"word": occasion})]


def in_states(connection: Connection, states: Sequence[RunState]) -> list[RunRow]:
    """Return the runs in these states, oldest first."""
    listed = ", ".join(f"'{state}'" for state in states)
    query = text(f"SELECT * FROM runs WHERE state IN ({listed}) ORDER BY id")
    return [_run(row) for row in connection.execute(query)]


def active_runs(connection: Connection) -> list[RunRow]:
    """Return the runs that workers send or collect for, oldest first."""
    query = text(
        "SELECT * FROM runs WHERE state IN ('running', 'waiting', 'paused')"
        " OR (state = 'cancelled' AND finished_at_ms IS NULL) ORDER BY id"
    )
    return [_run(row) for row in connection.execute(query)]


def begin(
    connection: Connection,
    *,
    identity: str,
    name: str,
    input_path: str,
    input_sha256: str,
    options: RunOptions,
    now_ms: int,
    occasion: str | None = None,
    recipe: str | None = None,
    needs: str | None = None,
) -> int:
    """Insert a run in state `loading`; return its id. Later only `set_recipe` changes `recipe`."""
    return int(
        connection.execute(
            text(
                "INSERT INTO runs (identity, repetition, name, state, input_path, input_sha256, options,"
                " total, created_at_ms, occasion, recipe, needs) VALUES (:identity,"
                " (SELECT COALESCE(MAX(repetition) + 1, 0) FROM runs WHERE identity = :same),"
                " :name, 'loading', :path, :sha, :options, 0, :now, :occasion, :recipe, :needs) RETURNING id"
            ),
            {
                "identity": identity,
                "same": identity,  # PostgreSQL gives a parameter one type only
                "name": name,
                "path": stored_path(input_path),
                "sha": input_sha256,
                "options": json.dumps(asdict(options)),
                "now": now_ms,
                "occasion": occasion,
                "recipe": recipe,
                "needs": needs,
            },
        ).scalar_one()
    )


def set_ready(connection: Connection, run_id: int, total: int) -> None:
    """Move a run from `loading` to `ready`, with the number of its jobs."""
    connection.execute(
        text("UPDATE runs SET state = 'ready', total = :total WHERE id = :id AND state = 'loading'"),
        {"id": run_id, "total": total},
    )


def start(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.note) -> bool:
    """Move a ready, waiting or paused run to running; return whether it moved.

    `record`, here and in the moves below, writes the event of the move: that of a command says who gave it.
    """
    change = f"state = 'running', {_NO_PAUSE}, started_at_ms = COALESCE(started_at_ms, :now)"
    sources = ("ready", "waiting", "paused")
    is_moved = _move(connection, run_id, sources, change, now_ms, EventKind.STARTED, record=record)
    if is_moved:
        run_series.begin_bucket(connection, run_id, now_ms)
    return is_moved


def reopen(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.note) -> bool:
    """Move an ended run to ready, after jobs of it became pending again; return whether it moved.

    Nobody finishes it before this transaction ends.
    """
    lock(connection, run_id)
    change = f"state = 'ready', finished_at_ms = NULL, {_NO_PAUSE}"
    return _move(
        connection, run_id, ("finished", "cancelled"), change, now_ms, EventKind.REOPENED, record=record
    )


def cancel(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.note) -> bool:
    """Move a run to cancelled; jobs in flight are still collected. Return whether it moved."""
    sources = ("ready", "running", "waiting", "paused")
    change = f"state = 'cancelled', {_NO_PAUSE}"
    return _move(connection, run_id, sources, change, now_ms, EventKind.CANCELLED, record=record)


def pause(
    connection: Connection,
    run_id: int,
    reason: PauseReason,
    why: str,
    now_ms: int,
    *,
    record: RecordEvent = events.note,
) -> bool:
    """Pause a run until a person starts it again; it is still collected. Return whether it moved."""
    change = "state = 'paused', pause_reason = :reason, pause_text = :why"
    values = {"reason": reason, "why": stored_text(why)}
    sources, cause = ("running", "waiting"), f"{reason}: {why}"
    return _move(connection, run_id, sources, change, now_ms, EventKind.PAUSED, cause, values, record=record)


def wait(connection: Connection, run_id: int, why: str, now_ms: int) -> bool:
    """Move a running run to waiting for a service; it continues by itself. Return whether it moved."""
    change = "state = 'waiting', pause_text = :why"
    values = {"why": stored_text(why)}
    return _move(connection, run_id, ("running",), change, now_ms, EventKind.WAITING, why, values)


def end_wait(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Move a waiting run to running: the service answers again. Return whether it moved."""
    change, cause = "state = 'running', pause_text = NULL", "the service answers again"
    return _move(connection, run_id, ("waiting",), change, now_ms, EventKind.RUNNING, cause)


def _move(
    connection: Connection,
    run_id: int,
    sources: Sequence[str],
    change: str,
    now_ms: int,
    event: EventKind,
    cause: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
    record: RecordEvent = events.note,
) -> bool:
    """Update a run that is in one of the source states, and record the event; return whether it was.

    `change` is the SET clause in SQL, with `:now` and the names of `values`.
    """
    listed = ", ".join(f"'{state}'" for state in sources)
    times = {"now": now_ms} if ":now" in change else {}
    moved = connection.execute(
        text(f"UPDATE runs SET {change} WHERE id = :id AND state IN ({listed})"),
        {"id": run_id, **times, **values},
    )
    if moved.rowcount:
        record(connection, run_id, now_ms, event, cause)
    return bool(moved.rowcount)


def is_done(connection: Connection, run: RunRow) -> bool:
    """Return whether no job of a run is open any more; with a limit: no job within the limit."""
    open_jobs, limit = counters.count_open_jobs(connection, run.id), run.options.limit
    if run.state is RunState.CANCELLED:
        return not open_jobs
    if not open_jobs or limit is None or open_jobs > max(0, run.total - limit):
        return not open_jobs
    first_open = connection.execute(
        text(
            "SELECT id FROM jobs WHERE id >= :first AND id < :last AND state IN"
            " ('pending', 'submitting', 'waiting', 'collecting', 'stored') ORDER BY id LIMIT 1"
        ),
        {"first": job_id(run.id, 0), "last": job_id(run.id, limit)},
    ).scalar_one_or_none()
    return first_open is None


def finish_if_done(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Finish a run whose jobs have all ended or are held; return whether it finished now.

    A run with a limit pauses instead when the jobs within the limit are done and others are open. A
    cancelled run stays cancelled and gets its `finished_at_ms`. The counters are checked first. Several
    workers may see the end at the same time: one finishes the run.
    """
    if _done(connection, run_id) is None:
        return False
    lock(connection, run_id)
    run = _done(connection, run_id)
    if run is None:
        return False
    if run.state is not RunState.CANCELLED and counters.count_open_jobs(connection, run_id):
        done = count(run.options.limit or 0, f"{run.unit} is done", f"{run.unit}s are done")
        pause(connection, run_id, PauseReason.LIMIT, f"the first {done}", now_ms)
        return False
    if counters.recount(connection, run_id):
        events.note(
            connection, run_id, now_ms, EventKind.RECOUNTED, "the counters had drifted and were mended"
        )
        if counters.count_open_jobs(connection, run_id):
            return False
    connection.execute(
        text(f"UPDATE runs SET state = :state, finished_at_ms = :now, {_NO_PAUSE} WHERE id = :id"),
        {
            "id": run_id,
            "now": now_ms,
            "state": RunState.CANCELLED if run.state is RunState.CANCELLED else RunState.FINISHED,
        },
    )
    events.note(connection, run_id, now_ms, EventKind.FINISHED, "")
    return True


def _done(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run at work of which no job is open any more; None otherwise."""
    run = find_whole(connection, run_id)
    if run is None or run.is_over or run.state in (RunState.LOADING, RunState.READY):
        return None
    return run if is_done(connection, run) else None


def has_stopped(run: RunRow, counts: Mapping[tuple[str, str], int]) -> bool:
    """Return whether nothing more will happen: the run has ended, or it is paused with no job in flight.

    A run paused for its API key or for a setting has stopped as well once its fetches are refused too: what
    is out waits at the API until a person has acted.
    """
    if run.is_over:
        return True
    states = counters.jobs_by_state(counts)
    moving = sum(states[state] for state in _MOVING)
    if run.state is not RunState.PAUSED or not moving:
        return run.state is RunState.PAUSED
    if states[JobState.SUBMITTING] or states[JobState.STORED]:
        return False
    is_cut_off = counts.get(counters.FETCH_REFUSED, 0) > 0
    return is_cut_off and run.pause_reason in (PauseReason.KEY, PauseReason.SETTING)


def needs_worker(run: RunRow, counts: Mapping[tuple[str, str], int]) -> bool:
    """Return whether workers have to do something: send, collect, or finish the run.

    A paused or cancelled run needs them only until what is out is collected; one that was never started, or
    was opened again, needs its user first.
    """
    if run.state in AT_WORK:
        return True
    return run.state in (RunState.PAUSED, RunState.CANCELLED) and not has_stopped(run, counts)


def models_of_pending_jobs(connection: Connection) -> list[str]:
    """Return the models of all pending jobs of runs that have not ended, sorted."""
    query = text(
        "SELECT DISTINCT model FROM jobs WHERE state = 'pending' AND run_id IN"
        " (SELECT id FROM runs WHERE state NOT IN ('finished', 'cancelled', 'removing')) ORDER BY model"
    )
    return [row.model for row in connection.execute(query)]


def with_on_end(connection: Connection) -> list[RunRow]:
    """Return the runs that have an --on-end command, oldest first."""
    query = text('SELECT * FROM runs WHERE options LIKE \'%"on_end": "%\' ORDER BY id')
    return [_run(row) for row in connection.execute(query)]


def claim_on_end(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Atomically claim the --on-end call of a run; False where it was claimed since the run last ended."""
    lock(connection, run_id)
    newest_ids = dict.fromkeys((True, False), 0)  # of the claims, and of the ends
    for newest_id, is_claim in connection.execute(
        text(
            f"SELECT MAX(id), kind = '{EventKind.NOTIFIED}' FROM run_events WHERE run_id = :run"
            f" AND kind IN ({_ENDS_AND_CLAIMS}) GROUP BY kind = '{EventKind.NOTIFIED}'"
        ),
        {"run": run_id},
    ):
        newest_ids[bool(is_claim)] = newest_id
    if newest_ids[True] > newest_ids[False]:
        return False
    events.note(connection, run_id, now_ms, EventKind.NOTIFIED, "--on-end was called")
    return True


def was_paused_for(connection: Connection, run_id: int, reason: PauseReason) -> bool:
    """Return whether a run was ever paused for this reason."""
    query = text(
        f"SELECT 1 FROM run_events WHERE run_id = :run AND kind = '{EventKind.PAUSED}'"
        " AND cause LIKE :begin LIMIT 1"
    )
    return connection.execute(query, {"run": run_id, "begin": f"{reason}:%"}).first() is not None


def _run(row: Row[Any]) -> RunRow:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    options, output = json.loads(fields.pop("options")), fields.pop("output_path")
    return RunRow(
        **{**fields, "state": RunState(fields["state"]), "input_path": path_of(fields["input_path"])},
        output_path=None if output is None else path_of(output),
        options=_options(options),
    )


def _options(stored: dict[str, Any]) -> RunOptions:
    """Return the options of a run's row; unknown names are ignored, missing ones have their defaults."""
    fields = {name: value for name, value in stored.items() if name in RunOptions.__dataclass_fields__}
    return RunOptions(**{**fields, "fail_on": tuple(fields.get("fail_on", ()))})
