"""Runs: found, begun, moved, told about."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import counters, events
from runner.db.job_ids import job_id
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOVING = (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED)
_NO_PAUSE = "pause_reason = NULL, pause_text = NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a user may change from one call to the next; kept with the run as JSON.

    `rpm` and `tpm`: None is not said, 0 is no limit at all. `budget_ticks`: None is no budget.
    `fail_on`: the flaws (rules.completion) that fail an answer's job. `on_end`: the command for its end,
    which the engine calls for a run that is detached, else the command that stays with it.
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
    """One run as the database has it."""

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

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen: a cancelled run collects until nothing is out."""
        return self.state is RunState.FINISHED or (
            self.state is RunState.CANCELLED and self.finished_at_ms is not None
        )


def find(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run by its id."""
    row = connection.execute(text("SELECT * FROM runs WHERE id = :id"), {"id": run_id}).one_or_none()
    return _run(row) if row else None


def newest(connection: Connection, identity: str) -> RunRow | None:
    """Return the newest run of an identity."""
    row = connection.execute(
        text("SELECT * FROM runs WHERE identity = :identity ORDER BY repetition DESC LIMIT 1"),
        {"identity": identity},
    ).one_or_none()
    return _run(row) if row else None


def namesake(connection: Connection, name: str) -> RunRow | None:
    """Return the newest run of a name."""
    return _newest_by(connection, "name", name)


def of_path(connection: Connection, path: str) -> RunRow | None:
    """Return the newest run that was loaded from a path."""
    return _newest_by(connection, "input_path", path)


def of_content(connection: Connection, sha256: str) -> RunRow | None:
    """Return the newest run of an input with this sha256."""
    return _newest_by(connection, "input_sha256", sha256)


def unwritten(connection: Connection, *, since_ms: int) -> list[RunRow]:
    """Return the runs that ended after a time and whose files no worker has written since their end."""
    query = text(
        "SELECT * FROM runs WHERE state IN ('finished', 'cancelled') AND finished_at_ms >= :since"
        " AND NOT EXISTS (SELECT 1 FROM run_events e WHERE e.run_id = runs.id AND e.kind = :written"
        " AND e.at_ms >= runs.finished_at_ms) ORDER BY id"
    )
    return [_run(row) for row in connection.execute(query, {"since": since_ms, "written": events.WRITTEN})]


def _newest_by(connection: Connection, column: str, word: str) -> RunRow | None:
    """Return the newest run with this word in a column, but none that is being removed."""
    query = text(
        f"SELECT * FROM runs WHERE {column} = :word AND state <> '{RunState.REMOVING}'"
        " ORDER BY id DESC LIMIT 1"
    )
    row = connection.execute(query, {"word": word}).one_or_none()
    return _run(row) if row else None


def all_runs(connection: Connection) -> list[RunRow]:
    """Return every run, newest first."""
    return [_run(row) for row in connection.execute(text("SELECT * FROM runs ORDER BY id DESC"))]


def in_states(connection: Connection, states: Sequence[RunState]) -> list[RunRow]:
    """Return the runs in some states, oldest first."""
    listed = ", ".join(f"'{state}'" for state in states)
    query = text(f"SELECT * FROM runs WHERE state IN ({listed}) ORDER BY id")
    return [_run(row) for row in connection.execute(query)]


def at_work(connection: Connection) -> list[RunRow]:
    """Return the runs whose jobs are sent or collected, oldest first."""
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
) -> int:
    """Open a run in state `loading`; return its id."""
    return int(
        connection.execute(
            text(
                "INSERT INTO runs (identity, repetition, name, state, input_path, input_sha256, options,"
                " total, created_at_ms) VALUES (:identity,"
                " (SELECT COALESCE(MAX(repetition) + 1, 0) FROM runs WHERE identity = :same),"
                " :name, 'loading', :path, :sha, :options, 0, :now) RETURNING id"
            ),
            {
                "identity": identity,
                "same": identity,  # PostgreSQL gives a parameter one type only
                "name": name,
                "path": input_path,
                "sha": input_sha256,
                "options": json.dumps(asdict(options)),
                "now": now_ms,
            },
        ).scalar_one()
    )


def loaded(connection: Connection, run_id: int, total: int) -> None:
    """Flip a run from `loading` to `ready`: from here on its lines exist."""
    connection.execute(
        text("UPDATE runs SET state = 'ready', total = :total WHERE id = :id AND state = 'loading'"),
        {"id": run_id, "total": total},
    )


def adopt(connection: Connection, run_id: int, *, options: RunOptions, output_path: str) -> None:
    """Take over what this call says of limits and output."""
    connection.execute(
        text("UPDATE runs SET options = :options, output_path = :output WHERE id = :id"),
        {"id": run_id, "options": json.dumps(asdict(options)), "output": output_path},
    )


def change(connection: Connection, run_id: int, **options: Any) -> None:
    """Change some options of a run and leave the others as they are."""
    known = connection.execute(text("SELECT options FROM runs WHERE id = :id"), {"id": run_id}).scalar_one()
    connection.execute(
        text("UPDATE runs SET options = :options WHERE id = :id"),
        {"id": run_id, "options": json.dumps(json.loads(known) | options)},
    )


def start(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Set a ready, waiting or paused run to work; return whether it moved."""
    change = f"state = 'running', {_NO_PAUSE}, started_at_ms = COALESCE(started_at_ms, :now)"
    return _move(connection, run_id, ("ready", "waiting", "paused"), change, now_ms, "started")


def reopen(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Make an ended run ready again, after jobs of it are to be sent anew; return whether it moved."""
    change = f"state = 'ready', finished_at_ms = NULL, {_NO_PAUSE}"
    return _move(connection, run_id, ("finished", "cancelled"), change, now_ms, "reopened")


def cancel(connection: Connection, run_id: int, now_ms: int) -> bool:
    """End a run for the user; what is out is still collected. Return whether it moved."""
    sources = ("ready", "running", "waiting", "paused")
    return _move(connection, run_id, sources, f"state = 'cancelled', {_NO_PAUSE}", now_ms, "cancelled")


def pause(connection: Connection, run_id: int, reason: PauseReason, why: str, now_ms: int) -> bool:
    """Stop submitting for a run until a person says otherwise; collecting goes on."""
    change = "state = 'paused', pause_reason = :reason, pause_text = :why"
    words = {"reason": reason, "why": events.kept(why)}
    return _move(
        connection, run_id, ("running", "waiting"), change, now_ms, "paused", f"{reason}: {why}", words
    )


def wait(connection: Connection, run_id: int, why: str, now_ms: int) -> bool:
    """Say that a run waits for a service; it goes on by itself."""
    change = "state = 'waiting', pause_text = :why"
    return _move(connection, run_id, ("running",), change, now_ms, "waiting", why, {"why": events.kept(why)})


def go_on(connection: Connection, run_id: int, now_ms: int) -> bool:
    """End a wait: the service answers again."""
    change, cause = "state = 'running', pause_text = NULL", "the service answers again"
    return _move(connection, run_id, ("waiting",), change, now_ms, "running", cause)


def _move(
    connection: Connection,
    run_id: int,
    sources: Sequence[str],
    change: str,
    now_ms: int,
    event: str,
    cause: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Change a run that is in one of some states, and put that on record; return whether it was.

    `change` is SQL with `:now` and the names of `values`.
    """
    listed = ", ".join(f"'{state}'" for state in sources)
    given = {"now": now_ms} if ":now" in change else {}
    moved = connection.execute(
        text(f"UPDATE runs SET {change} WHERE id = :id AND state IN ({listed})"),
        {"id": run_id, **given, **values},
    )
    if moved.rowcount:
        events.note(connection, run_id, now_ms, event, cause)
    return bool(moved.rowcount)


def is_done(connection: Connection, run: RunRow) -> bool:
    """Say whether nothing of a run moves by itself any more, or nothing of the jobs that it was to start."""
    still_open, limit = counters.open_jobs(connection, run.id), run.options.limit
    if run.state is RunState.CANCELLED:
        return not still_open
    if not still_open or limit is None or still_open > max(0, run.total - limit):
        return not still_open
    first_open = connection.execute(
        text(
            "SELECT id FROM jobs WHERE id >= :first AND id < :last AND state IN"
            " ('pending', 'submitting', 'waiting', 'collecting', 'stored') ORDER BY id LIMIT 1"
        ),
        {"first": job_id(run.id, 0), "last": job_id(run.id, limit)},
    ).scalar_one_or_none()
    return first_open is None


def finish_if_done(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Finish a run whose jobs all have their end or are held; return whether it finished now.

    A run that was to start only some of its jobs pauses instead when those are done; a cancelled one keeps
    its state and gets its end.
    """
    run = find(connection, run_id)
    if run is None or run.is_over or run.state in (RunState.LOADING, RunState.READY):
        return False
    if not is_done(connection, run):
        return False
    if run.state is not RunState.CANCELLED and counters.open_jobs(connection, run_id):
        pause(connection, run_id, PauseReason.LIMIT, f"the first {run.options.limit} jobs are done", now_ms)
        return False
    if counters.recount(connection, run_id):
        events.note(connection, run_id, now_ms, "recounted", "the counters had drifted and were mended")
        if counters.open_jobs(connection, run_id):
            return False
    connection.execute(
        text(f"UPDATE runs SET state = :state, finished_at_ms = :now, {_NO_PAUSE} WHERE id = :id"),
        {
            "id": run_id,
            "now": now_ms,
            "state": RunState.CANCELLED if run.state is RunState.CANCELLED else RunState.FINISHED,
        },
    )
    events.note(connection, run_id, now_ms, "finished", "")
    return True


def stands_still(run: RunRow, counts: Mapping[tuple[str, str], int]) -> bool:
    """Say whether nothing more will happen: the run has ended, or it is paused and nothing is out.

    With a refused key what is out cannot be fetched either.
    """
    if run.is_over:
        return True
    states = counters.states(counts)
    moving = sum(states[state] for state in _MOVING)
    return run.state is RunState.PAUSED and (run.pause_reason == PauseReason.KEY or not moving)


def models_to_send(connection: Connection) -> list[str]:
    """Return the models of the jobs that runs which have not ended still have to send."""
    query = text(
        "SELECT DISTINCT model FROM jobs WHERE state = 'pending' AND run_id IN"
        " (SELECT id FROM runs WHERE state NOT IN ('finished', 'cancelled', 'removing')) ORDER BY model"
    )
    return [row.model for row in connection.execute(query)]


def with_on_end(connection: Connection) -> list[RunRow]:
    """Return the runs that have a command for their end."""
    query = text('SELECT * FROM runs WHERE options LIKE \'%"on_end": "%\' ORDER BY id')
    return [_run(row) for row in connection.execute(query)]


def claim_end(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Take it upon oneself to tell of a run's end; False where somebody has since it last came to one."""
    connection.execute(text("UPDATE runs SET state = state WHERE id = :id"), {"id": run_id})  # a lock
    told = dict.fromkeys((True, False), 0)
    for event, is_told in connection.execute(
        text(
            "SELECT MAX(id), kind = 'told' FROM run_events WHERE run_id = :run"
            " AND kind IN ('finished', 'paused', 'cancelled', 'told') GROUP BY kind = 'told'"
        ),
        {"run": run_id},
    ):
        told[bool(is_told)] = event
    if told[True] > told[False]:
        return False
    events.note(connection, run_id, now_ms, "told", "--on-end was called")
    return True


def has_paused_by(connection: Connection, run_id: int, reason: PauseReason) -> bool:
    """Say whether a run was ever paused for a reason."""
    query = text(
        "SELECT 1 FROM run_events WHERE run_id = :run AND kind = 'paused' AND cause LIKE :begin LIMIT 1"
    )
    return connection.execute(query, {"run": run_id, "begin": f"{reason}:%"}).first() is not None


def _run(row: Row[Any]) -> RunRow:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    known = json.loads(fields.pop("options"))
    return RunRow(
        **{**fields, "state": RunState(fields["state"])},
        options=_options(known),
    )


def _options(known: dict[str, Any]) -> RunOptions:
    """Read what a run's row keeps; a version that knew more or less is understood, too."""
    fields = {name: value for name, value in known.items() if name in RunOptions.__dataclass_fields__}
    return RunOptions(**{**fields, "fail_on": tuple(fields.get("fail_on", ()))})
