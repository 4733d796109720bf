"""A page of a run's jobs for a person: by state, error code, model, flaw or id, in the order of the file.

An index finds the jobs of most states, and those with a flaw. Where none has what is asked for, or where it
has too many candidates, a page reads only the next WINDOW jobs by the primary key, and says so.
A row that an index names costs as much as _LOOKUP rows that are read in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection, Row, text

from runner.db.counts import counters
from runner.db.jobs.job_ids import JOBS_MAX, job_id, ordinal_of
from runner.db.jobs.job_ranges import next_ids
from runner.db.jobs.job_selection import LAST_ATTEMPT, narrowed
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.jobs.job_selection import JobSelection

WINDOW: Final = 100_000
_LOOKUP: Final = 20
EVERY_STATE: Final = frozenset(JobState)
# Of the index of flaws. The subquery keeps names that `attempts` and `jobs` share apart.
_FLAWED: Final = (
    "SELECT jobs.id FROM (SELECT job_id, attempt AS flawed_attempt FROM attempts WHERE flaw = :flaw"
    " AND flaw IS NOT NULL AND job_id > :after AND job_id <= :until) AS flawed"
    " JOIN jobs ON jobs.id = flawed.job_id"
    " AND flawed.flawed_attempt = COALESCE(jobs.answered_by, jobs.attempt)"
    " WHERE {states}{narrow} ORDER BY flawed.job_id LIMIT :rows"
)
_OF_WINDOW: Final = (
    "SELECT id FROM jobs WHERE id > :after AND id <= :until AND {states}{narrow} ORDER BY id LIMIT :rows"
)


class LookedAt(NamedTuple):
    """The part of a run that a page has read, where that is not all that was left: places from 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs in the order of the file. `next_after`: the id of the job after which the next page begins; None
    where there is none. `looked_at`: what was read, where a window ended the page.
    """

    jobs: list[Row[Any]]
    next_after: int | None
    looked_at: LookedAt | None


def read_page(
    connection: Connection,
    run_id: int,
    chosen: JobSelection,
    rows_max: int,
    after: int | None = None,
    window: int = WINDOW,
) -> JobPage:
    """Return the next chosen jobs of a run, only with ids larger than `after`.

    `window`: how many jobs are read where no index has what is asked for.
    """
    start = job_id(run_id, 0) - 1 if after is None else after
    end = job_id(run_id, JOBS_MAX)
    if chosen.job_ids or _has_index(connection, run_id, chosen, window):
        until, found = end, _by_index(connection, run_id, chosen, rows_max + 1, start)
    else:
        until = start + window
        found = _in_range(connection, chosen, rows_max + 1, start, until)
    ids = found[:rows_max]
    if len(found) > rows_max:
        return JobPage(jobs=_read(connection, ids), next_after=ids[-1], looked_at=None)
    last = _last_id(connection, start + 1, until) if until < end else None
    if last is None or _last_id(connection, last + 1, end) is None:
        return JobPage(jobs=_read(connection, ids), next_after=None, looked_at=None)
    looked_at = LookedAt(ordinal_of(start + 1) + 1, ordinal_of(last) + 1)
    return JobPage(jobs=_read(connection, ids), next_after=last, looked_at=looked_at)


def custom_id_of(connection: Connection, job: int) -> str:
    """Return the custom_id of a job."""
    query = text("SELECT custom_id FROM jobs WHERE id = :job")
    return str(connection.execute(query, {"job": job}).scalar_one())


def _has_index(connection: Connection, run_id: int, chosen: JobSelection, window: int) -> bool:
    """Return whether an index has the chosen jobs, among few others: few for a `window` of jobs."""
    if chosen.flaw is not None:
        flaws = counters.read(connection, run_id, "flaw")
        return sum(flaws.values()) <= window
    if chosen.states == EVERY_STATE:
        return chosen.is_of_states_alone
    if JobState.SUCCEEDED in chosen.states:
        return False
    if chosen.is_of_codes:
        return True
    counts = counters.jobs_by_state(counters.read(connection, run_id, "state"))
    return _LOOKUP * sum(counts[state] for state in chosen.states) <= window


def _by_index(
    connection: Connection, run_id: int, chosen: JobSelection, rows_max: int, after: int
) -> list[int]:
    if chosen.flaw is not None or (chosen.states == EVERY_STATE and not chosen.job_ids):
        return _in_range(connection, chosen, rows_max, after, job_id(run_id, JOBS_MAX))
    return next_ids(connection, run_id, chosen, rows_max, after, in_order=True)


def _in_range(
    connection: Connection, chosen: JobSelection, rows_max: int, after: int, until: int
) -> list[int]:
    """Return the chosen jobs within a range of ids: of the index of flaws, or of the primary key."""
    by_flaw = chosen.flaw is not None
    narrow, values = narrowed(replace(chosen, flaw=None))
    listed = ", ".join(f"'{state}'" for state in sorted(chosen.states))
    is_every = chosen.states == EVERY_STATE  # `x || ''` keeps the indexes of states out
    states = "jobs.id > :after" if is_every else f"jobs.state || '' IN ({listed})"
    query = (_FLAWED if by_flaw else _OF_WINDOW).format(states=states, narrow=narrow)
    values |= {"after": after, "until": until, "rows": rows_max}
    values |= {"flaw": chosen.flaw} if by_flaw else {}
    return list(connection.execute(text(query), values).scalars())


def _last_id(connection: Connection, first: int, until: int) -> int | None:
    """Return the largest id of a job within a range; None without one."""
    query = text("SELECT MAX(id) FROM jobs WHERE id >= :first AND id <= :until")
    found: int | None = connection.execute(query, {"first": first, "until": until}).scalar_one()
    return found


def _read(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """Return some jobs with the sum of what their attempts cost, and when the last one was sent."""
    if not ids:
        return []
    listed = ", ".join(str(int(job)) for job in ids)
    query = text(
        "SELECT id, line, custom_id, model, state, error_code, attempt, answered_by, due_at_ms,"
        " finished_at_ms,"
        f" (SELECT a.sent_at_ms FROM attempts a WHERE {LAST_ATTEMPT}) AS sent_at_ms,"
        f" (SELECT a.flaw FROM attempts a WHERE {LAST_ATTEMPT}) AS flaw,"
        " (SELECT SUM(a.ticks) FROM attempts a WHERE a.job_id = jobs.id) AS ticks,"
        " (SELECT SUM(a.possible_ticks) FROM attempts a WHERE a.job_id = jobs.id) AS possible_ticks"
        f" FROM jobs WHERE id IN ({listed}) ORDER BY id"
    )
    return list(connection.execute(query))
