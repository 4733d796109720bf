"""The jobs of a run in a state as ranges of an index, so that a page of a listing costs what it shows.

A run may have ten million jobs, few of them in a state: read by the primary key, the first page of them may
come after all others. Each range below names the index that has it; `tests/db/test_job_ranges.py` asks both
databases for their plans. Pages go on after the last id of the page before; nothing is counted off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.db.jobs.job_selection import narrowed
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from runner.db.jobs.job_selection import JobSelection

HELD_CODE: Final = "held code"
_DUE: Final = "due_at_ms"
_HELD_BY_A_PROCESS: Final = (JobState.SUBMITTING, JobState.COLLECTING, JobState.STORED)


class JobRange(NamedTuple):
    """A condition on `jobs`, and the order of its index.

    The condition has the parameters `:run`, `:after` and `:last` (ids), and those of `values`. `counter` is
    that of the run which has the number of its jobs; None where there is none. HELD_CODE is no counter: the
    index alone has the number.
    """

    condition: str
    order: str = "id"
    values: tuple[tuple[str, Any], ...] = ()
    counter: tuple[str, str] | None = None


def ranges_of(connection: Connection, run_id: int, chosen: JobSelection) -> list[JobRange]:
    """Return the ranges that together have the chosen jobs, each job in one of them."""
    if chosen.job_ids:
        found = [_by_ids(chosen)]
    else:
        found = [
            each for state in sorted(chosen.states) for each in _of_state(connection, run_id, state, chosen)
        ]
    narrow, values = narrowed(chosen)
    kinds = {"code", HELD_CODE} if chosen.is_of_codes else set()
    kinds |= {"state"} if chosen.is_of_states_alone else set()
    return [
        each._replace(
            condition=f"{each.condition}{narrow}",
            values=(*each.values, *values.items()),
            counter=each.counter if each.counter and each.counter[0] in kinds else None,
        )
        for each in found
    ]


def bounds(ranges: Sequence[JobRange], run_id: int, after: int | None = None) -> dict[str, Any]:
    """Return the values of all parameters of some ranges. `after`: only jobs with larger ids."""
    first = job_id(run_id, 0) - 1 if after is None else after
    values = {"run": run_id, "after": first, "last": job_id(run_id, JOBS_MAX)}
    conditions = " ".join(each.condition for each in ranges)
    used = {name: value for name, value in values.items() if f":{name}" in conditions}
    return used | {name: value for each in ranges for name, value in each.values}


def next_ids(
    connection: Connection,
    run_id: int,
    chosen: JobSelection,
    rows_max: int,
    after: int | None = None,
    *,
    in_order: bool = False,
) -> list[int]:
    """Return the ids of the next chosen jobs, sorted; nothing is locked. `after`: only larger ids.

    Waiting jobs come in the order in which they are due, so `after` skips some that come later: their caller
    moves them to another state instead. `in_order`: they come by id too; each page reads all of them.
    """
    ranges = ranges_of(connection, run_id, chosen)
    if in_order:
        ranges = [each._replace(order="id + 0") if each.order == _DUE else each for each in ranges]
    if not ranges:
        return []
    pages = (
        f"SELECT id FROM (SELECT id FROM jobs WHERE {each.condition}"
        f" ORDER BY {each.order} LIMIT :rows) AS page"
        for each in ranges
    )
    query = text(f"{' UNION ALL '.join(pages)} ORDER BY id LIMIT :rows")
    values = {**bounds(ranges, run_id, after), "rows": rows_max}
    return list(connection.execute(query, values).scalars())


def in_run(connection: Connection) -> JobRange:
    """Return the range of a run in an index on (run_id, id), whose `state` stands beside it.

    PostgreSQL would read the primary key for `run_id = 7 … ORDER BY id`: it takes the jobs in a state to be
    spread over the run. SQLite finds its place in the index only by `=`.
    """
    if connection.dialect.name == "sqlite":
        return JobRange("run_id = :run AND id > :after")
    return JobRange("(run_id, id) > (:run, :after) AND run_id <= :run", "run_id, id")


def _by_ids(chosen: JobSelection) -> JobRange:
    """Return the jobs that are named, in the primary key: `x || ''` keeps the indexes of states out."""
    states = ", ".join(f"'{state}'" for state in sorted(chosen.states))
    ids = ", ".join(str(int(job)) for job in chosen.job_ids)
    return JobRange(f"id IN ({ids}) AND id > :after AND state || '' IN ({states})")


def _of_state(
    connection: Connection, run_id: int, state: JobState, chosen: JobSelection
) -> Iterator[JobRange]:
    if state in (JobState.FAILED, JobState.HELD):
        yield from _by_code(connection, run_id, state, chosen)
    elif state in (JobState.PENDING, JobState.CANCELLED):  # ix_jobs_pending, ix_jobs_cancelled
        run = in_run(connection)
        yield JobRange(f"state = '{state}' AND {run.condition}", run.order, counter=("state", state))
    elif state is JobState.WAITING:  # ix_jobs_waiting; `+ 0` keeps the primary key out
        yield JobRange(f"state = '{state}' AND run_id + 0 = :run AND id + 0 > :after", _DUE)
    elif state in _HELD_BY_A_PROCESS:  # ix_jobs_held_by_a_process: its own condition, and which of its states
        listed = ", ".join(f"'{each}'" for each in _HELD_BY_A_PROCESS)
        doubled = f"state IN ({listed}) AND state = '{state}'"
        yield JobRange(f"{doubled} AND run_id + 0 = :run AND id + 0 > :after", "id + 0")
    else:  # succeeded: there are too many for an index, so the primary key
        yield JobRange(f"state = '{state}' AND id > :after AND id <= :last")


def _by_code(
    connection: Connection, run_id: int, state: JobState, chosen: JobSelection
) -> Iterator[JobRange]:
    """Yield a range of ix_jobs_failed or ix_jobs_held for each error code: only there are ids in order."""
    of_state = f"state = '{state}' AND run_id = :run"
    in_order = f"{of_state} AND id > :after"
    order = "run_id, error_code, id"
    codes = [chosen.code] if chosen.code is not None else _codes(connection, run_id, of_state)
    for number, code in enumerate(code for code in codes if code != chosen.not_code):
        name = f"{state}_{number}"
        counter = ("code" if state is JobState.FAILED else HELD_CODE, code)
        yield JobRange(f"{in_order} AND error_code = :{name}", order, ((name, code),), counter)
    if chosen.code is None:
        yield JobRange(f"{in_order} AND error_code IS NULL", order)


def _codes(connection: Connection, run_id: int, of_state: str) -> list[str]:
    """Return the error codes of a run's jobs in a state, one step in the index for each."""
    query = text(f"SELECT MIN(error_code) FROM jobs WHERE {of_state} AND error_code > :before")
    found: list[str] = []
    before = ""
    while (code := connection.execute(query, {"run": run_id, "before": before}).scalar_one()) is not None:
        found.append(code)
        before = code
    return found
